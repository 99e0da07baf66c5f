"""Names that mislead: several spellings of one label, and signs for no label."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping

#: Labels, in small letters, by which programs and people write that there is none.
PLACEHOLDERS = {
    *("nan", "-nan", "na", "n/a", "n.a.", "<na>", "null", "none", "nil", "-", "--", "---"),
    *("\N{EN DASH}", "\N{EM DASH}", "?", "??", "???", ".", "...", "\N{HORIZONTAL ELLIPSIS}"),
    *("#n/a", "#na", "#null!", "#value!", "#ref!", "#name?", "#div/0!", "#num!"),
}
#: Joints of words; a sign before a digit stays, because -1 is not 1.
JOINT = re.compile(r"(?<=[^\W\d_])[\s_\-\N{HYPHEN}-\N{EM DASH}]+(?=\w)")
NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")


def placeholders(names: Iterable[str]) -> list[str]:
    """Names that stand for no label."""
    return [name for name in names if name.casefold() in PLACEHOLDERS]


def alike(counts: Mapping[str, int]) -> list[str]:
    """List the groups of names that differ in case, spaces, ``_`` or ``-`` alone.

    Two numbers of one value are alike too.

    Args:
        counts: name -> number of utterances.

    Returns:
        Each group in words, such as "Joy (3), JOY (1)".
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for name in counts:
        groups[spelling(name)].append(name)
    return [
        ", ".join(f"{name} ({counts[name]})" for name in names)
        for names in groups.values()
        if len(names) > 1
    ]


def spelling(name: str) -> str:
    """Form that spellings of one name share."""
    if NUMBER.fullmatch(name):
        return f"{float(name):g}"
    folded = unicodedata.normalize("NFKC", name).casefold()
    visible = "".join(sign for sign in folded if unicodedata.category(sign) != "Cf")
    return JOINT.sub("", visible.strip())
