"""Deviations from the papers as readers see them: a table per paper, and docs/deviations.md.

The table says what a deviation changes, from our scores. The page of docs has no numbers, and one
command writes it anew::

    python -m merflow.tables.deviation_tables
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from merflow.paths import REPORTED
from merflow.registry import PAPERS
from merflow.tables.comparison import Comparison
from merflow.tables.deviations import Deviation, Effect, load_deviations, path_of
from merflow.tables.measures import HEADERS
from merflow.tables.render import Column, Table, escaped, interval, plain, points, prose, words
from merflow.tables.reported import Row

NAME = "deviations"
PAGE = Path("docs/deviations.md")
NOT_MEASURED = "not measured here"
#: Kind of an entry -> its words, and its meaning.
KINDS = {
    "deviation": ("deviation", "done otherwise than the paper says"),
    "reading": ("reading", "the paper is silent or ambiguous, and is read so"),
    "absent": ("not done", "part of the paper that is not done here"),
}
MEANING = "; ".join(f"{name}: {meaning}" for name, meaning in KINDS.values())
NOTES = (
    f"{MEANING[0].upper()}{MEANING[1:]}.",
    "What it changes: the first system minus the second on test, in points, with the interval of"
    " the paired difference over dialogues. Without an interval: the difference of the two means.",
    f"{NOT_MEASURED.capitalize()}: no two systems show it, or one of them was not run.",
)
NOTE = "Deviations from the paper, and readings of it, stand in the table deviations."
HEAD = f"""\
# Deviations from the papers

Each paper is rebuilt as it is written. This page lists where that is not so.
An entry is of one of these kinds:

{chr(10).join(f"- {name}: {meaning}" for name, meaning in KINDS.values())}

The report and `results/tables/<paper>/{NAME}` have the same entries.
They also say what each of them changes, where that was measured.
The entries are data, in `reported/<paper>.deviations.yaml` (`src/merflow/tables/deviations.py`).
After a change, `python -m merflow.tables.deviation_tables` writes this page anew.
"""


def table(paper: str, deviations: Sequence[Deviation], comparisons: Sequence[Comparison]) -> Table:
    """All deviations from a paper, and what they change.

    Args:
        paper: key.
        deviations: of the paper.
        comparisons: of the paper on all corpora.
    """
    demo = sorted({comparison.corpus for comparison in comparisons if comparison.demo})
    rows = [_row(deviation, comparisons) for deviation in deviations]
    kinds = Counter(row["form"] for row in rows)
    counts = ", ".join(_counted(name, kinds[name]) for name, _ in KINDS.values() if kinds[name])
    layout = f"demo corpus in the layout of {', '.join(demo)}"
    warning = f"Demo: ours are figures on a {layout}, no results on it."
    return Table(
        NAME,
        f"Deviations from the paper{f', {layout}' if demo else ''}.",
        f"What the paper says, what is done here, why, and what it changes. {counts}.",
        pd.DataFrame(rows),
        _columns(),
        (*([warning] if demo else []), *NOTES),
        demo=bool(demo),
        anchor=f"{paper}-{NAME}",
        paper=paper,
    )


def _counted(name: str, count: int) -> str:
    """A number of entries of a kind in words: 4 deviations, 2 not done."""
    return f"{count} {name}{'s' if count != 1 and name != 'not done' else ''}"


def _columns() -> tuple[Column, ...]:
    def here(row: Row) -> str:
        return f"{row['here']} [{row['params']}]" if row["params"] else row["here"]

    return (
        words("entry", "id", plain),
        words("kind", "form"),
        prose("place in the paper", "where"),
        prose("systems", "systems"),
        prose("the paper says", "says"),
        Column("here [params.yaml]", here, numeric=False, prose=True),
        prose("why", "why"),
        prose("what it changes", "effect"),
    )


def _row(deviation: Deviation, comparisons: Sequence[Comparison]) -> dict[str, str]:
    effects = [text for effect in deviation.effect for text in _effects(effect, comparisons)]
    return {
        "id": deviation.id,
        "kind": "system",
        "form": KINDS[deviation.kind][0],
        "where": deviation.where,
        "systems": ", ".join(deviation.systems or ["all"]),
        "says": deviation.paper,
        "here": deviation.here,
        "params": ", ".join(deviation.params),
        "why": deviation.why,
        "effect": "; ".join(effects) or NOT_MEASURED,
    }


def _effects(effect: Effect, comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Text of each corpus on which both systems have scores."""
    for corpus in effect.corpora:
        differences = [
            f"{plain(protocol)} {difference}"
            for comparison in comparisons
            if comparison.corpus == corpus
            for protocol in comparison.measured.protocols
            if (difference := _difference(effect, comparison, protocol))
        ]
        if differences:
            demo = any(comparison.demo for comparison in comparisons if comparison.corpus == corpus)
            where = f"demo corpus in the layout of {corpus}" if demo else corpus
            pair = f"{effect.of} minus {effect.against}"
            yield f"{HEADERS[effect.metric]} of {pair} on {where}: {', '.join(differences)}"


def _difference(effect: Effect, comparison: Comparison, protocol: str) -> str:
    """Difference under a protocol; empty: one of the systems has no such score."""
    measured, metric = comparison.measured, effect.metric
    if paired := measured.difference(effect.of, effect.against, protocol, metric):
        return f"{points(paired.value)} {interval(paired.low, paired.high, points)}"
    means = [measured.mean(system, protocol, metric) for system in (effect.of, effect.against)]
    if not all(means):
        return ""
    first, second = (mean.value for mean in means if mean)
    return points(first - second)


def page(reported: Path) -> str:
    """Text of docs/deviations.md.

    Args:
        reported: folder of the files.

    Raises:
        EvaluationError: a file is malformed.
    """
    pieces = [HEAD]
    for paper in PAPERS:
        if deviations := load_deviations(reported, paper):
            pieces.append(f"## {paper}\n\n`{path_of(Path(REPORTED), paper)}`\n")
            pieces += map(_entry, deviations)
    return "\n".join(pieces)


def _entry(deviation: Deviation) -> str:
    """An entry as a heading and a list."""
    facts = {
        "The paper": escaped(deviation.paper),
        "Here": escaped(deviation.here),
        "Why": escaped(deviation.why),
        "Systems": _code(deviation.systems or ()),
        "Parameters": _code(deviation.params),
        "Shown by": "; ".join(map(_pair, deviation.effect)),
    }
    heading = f"### {plain(deviation.id)}\n\n{KINDS[deviation.kind][0].capitalize()}"
    lines = [f"- {name}: {text}" for name, text in facts.items() if text]
    return "\n".join([f"{heading}, at {escaped(deviation.where)}.\n", *lines, ""])


def _code(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _pair(effect: Effect) -> str:
    pair = f"`{effect.of}` minus `{effect.against}`"
    return f"{HEADERS[effect.metric]} of {pair} on {', '.join(effect.corpora)}"


if __name__ == "__main__":
    PAGE.write_text(page(Path(REPORTED)), encoding="utf-8")
