"""A good table of annotations, and seeded mutations of it that say which values they touch."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

COLUMNS = ("clip", "text", "label", "speaker", "dialogue", "split")
TEXTS = (
    "We are leaving.",
    "Well, yes, I am",
    'He said "never", twice',
    "line one\nand, maybe, line two",
    "Déjà vu – isn’t it?",
    "No; not at all",
)
Values = tuple[str, ...]


@dataclass(frozen=True)
class Good:
    """Rows of a table by clip, and its text with the place of each value.

    Attributes:
        rows: clip -> values in the order of COLUMNS.
        text: CSV.
        spans: clip -> start and end of each value in `text`, with its quotes.
        ends: end of each line of the table, the first line included.
    """

    rows: dict[str, Values]
    text: str
    spans: dict[str, list[tuple[int, int]]]
    ends: list[int]


@dataclass(frozen=True)
class Mutant:
    """A changed file.

    Attributes:
        data: its bytes.
        touched: clip -> columns whose own value the mutation changed.
        cut: clips of rows that are no longer in the file.
    """

    data: bytes
    touched: dict[str, set[str]] = field(default_factory=dict)
    cut: frozenset[str] = frozenset()


def good_table(given: bool, quoted: bool = False) -> Good:
    """Make a table of 24 rows.

    Args:
        given: name splits and dialogues; else the last two columns are empty.
        quoted: put every value in quotes.
    """
    rows: dict[str, Values] = {}
    for k in range(24):
        split = ("train", "train", "dev", "test")[k // 2 % 4] if given else ""
        label = ("joy", "anger")[k % 2]
        values = (f"c{k:02}.wav", TEXTS[k % len(TEXTS)], label, f"s{k % 4}", "", split)
        rows[values[0]] = (*values[:4], f"d{k // 3}" if given else "", split)
    text, spans, ends = "", {}, []
    for values in (COLUMNS, *rows.values()):
        places = []
        for value in values:
            must = quoted or any(sign in value for sign in ',"\n')
            written = f'"{value.replace(chr(34), chr(34) * 2)}"' if must else value
            places.append((len(text), len(text) + len(written)))
            text += f"{written},"
        text = f"{text[:-1]}\n"
        spans[values[0]] = places
        ends.append(len(text))
    return Good(rows, text, spans, ends)


def touched(good: Good, start: int, end: int) -> dict[str, set[str]]:
    """Values whose text overlaps or borders on text[start:end]."""
    found: dict[str, set[str]] = {}
    for clip, places in good.spans.items():
        for name, (low, high) in zip(COLUMNS, places, strict=True):
            if low <= end and start <= high:
                found.setdefault(clip, set()).add(name)
    return found


def of_signs(good: Good, draw: random.Random) -> Mutant:
    """Insert, delete or replace a sign, most often one with a meaning in CSV."""
    place = draw.randrange(len(good.text))
    if draw.random() < 0.6:  # at a sign with a meaning
        place = draw.choice([k for k, sign in enumerate(good.text) if sign in ',"\n'])
    sign = draw.choice([",", '"', '""', ";", "\n", "\r", "\r\n", "\t", " ", "\0", "x", "\x1a"])
    length, sign = draw.choice([(0, sign), (1, ""), (1, sign)])
    text = good.text[:place] + sign + good.text[place + length :]
    return Mutant(text.encode(), touched(good, place, place + length))


def of_quotes(good: Good, draw: random.Random) -> Mutant:
    """Open a quote before a text, and perhaps close it behind a later one."""
    clips = sorted(good.rows)
    first = draw.randrange(len(clips) - 1)
    last = draw.randrange(first, min(first + 4, len(clips)))
    start, end = good.spans[clips[first]][1][0], good.spans[clips[last]][1][1]
    text = good.text
    if draw.random() < 0.7:
        text = text[:end] + '"' + text[end:]
    changed = {clips[first]: {"text"}}
    return Mutant((text[:start] + '"' + text[start:]).encode(), changed)


def of_rows(good: Good, draw: random.Random) -> Mutant:
    """Repeat a row or the first line, add an empty row, or cut the end off."""
    starts = [0, *good.ends[:-1]]
    k, to = draw.randrange(1, len(starts)), draw.choice(good.ends)
    row = good.text[starts[k] : good.ends[k]]
    repeated = [row, row.replace("c", "./c", 1), good.text[: good.ends[0]]]
    row = draw.choice([*repeated, ",,,,,\n", "\n", "  \n", ",,\n"])
    return Mutant((good.text[:to] + row + good.text[to:]).encode())


def of_length(good: Good, draw: random.Random) -> Mutant:
    """Cut the file in its middle."""
    data = good.text.encode()
    place = draw.randrange(len(data))
    n_signs = len(data[:place].decode(errors="ignore"))
    cut = {clip for clip, places in good.spans.items() if places[0][1] > n_signs}
    whole = {clip: places[-1] for clip, places in good.spans.items() if clip not in cut}
    last = {clip: {"split"} for clip, (low, high) in whole.items() if low <= n_signs <= high}
    return Mutant(data[:place], last, frozenset(cut))


def of_separators(good: Good, draw: random.Random) -> Mutant:
    """Write another separator, in the whole file or a row, or drop or add one."""
    start, end = draw.choice(list(zip([0, *good.ends[:-1]], good.ends, strict=True)))
    row, sign = good.text[start:end], draw.choice([";", "\t", "|"])
    new = draw.choice(
        [row.replace(",", sign), f"{row[:-1]},\n", f"{row[:-1]},x\n", row.replace(",", "", 1)]
    )
    whole = draw.choice([good.text.replace(",", sign), f"sep={sign}\n{good.text}"])
    inside = touched(good, start + row.find(","), start + row.find(","))
    return draw.choice(
        [
            Mutant(whole.encode()),
            Mutant((good.text[:start] + new + good.text[end:]).encode(), inside),
        ]
    )


def of_encoding(good: Good, draw: random.Random) -> Mutant:
    """Write the file in another encoding, or with other ends of lines."""
    text = good.text.replace("\n", draw.choice(["\n", "\r\n", "\r"]))
    encodings = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
    return Mutant(text.encode(draw.choice([*encodings, "mac-roman"])))


def of_columns(good: Good, draw: random.Random) -> Mutant:
    """Move, repeat, rename or add a column, or swap two values of a row."""
    table = [list(COLUMNS), *(list(values) for values in good.rows.values())]
    kind, (k, other) = draw.randrange(5), draw.sample(range(6), 2)
    changed: dict[str, set[str]] = {}
    if kind == 0:
        for row in table:
            row[k], row[other] = row[other], row[k]
    elif kind == 1:
        for row in table:
            row.insert(other, row[k])
    elif kind == 2:
        name = COLUMNS[k]
        table[0][k] = draw.choice([name.upper(), f" {name}", f"{name} ", name[1:], ""])
    elif kind == 3:
        for row in table:
            row.insert(k, "note")
    else:
        row = draw.choice(table[1:])
        changed = {row[0]: {COLUMNS[k], COLUMNS[other]}}
        row[k], row[other] = row[other], row[k]
    return Mutant(_written(table).encode(), changed)


def _written(table: list[list[str]]) -> str:
    quoted = ([f'"{value.replace(chr(34), chr(34) * 2)}"' for value in row] for row in table)
    return "".join(f"{','.join(row)}\n" for row in quoted)


KINDS: tuple[Callable[[Good, random.Random], Mutant], ...] = (
    *(of_signs, of_signs, of_signs, of_quotes, of_rows),
    *(of_length, of_separators, of_encoding, of_columns),
)


def mutants(number: int, seed: int) -> Iterator[tuple[str, Good, Mutant]]:
    """Draw mutations of three good tables, each kind in its turn."""
    draw = random.Random(seed)
    tables = [good_table(True), good_table(False), good_table(True, quoted=True)]
    for k in range(number):
        kind, good = KINDS[k % len(KINDS)], draw.choice(tables)
        yield kind.__name__, good, kind(good, draw)


def changed_in_silence(good: Good, mutant: Mutant, rows: list[Values]) -> list[str]:
    """Compare the rows that a reader accepted with the good ones.

    Args:
        good: table before the mutation.
        mutant: the file that was read.
        rows: values in the order of COLUMNS.

    Returns:
        A line for each row that lost its meaning, and each row that is gone or new.
    """
    accepted = {values[0]: values for values in rows}
    faults = [] if len(accepted) == len(rows) else ["a clip twice"]
    expected = good.rows.keys() - mutant.cut
    renamed = [
        clip for clip in expected - accepted.keys() if "clip" in mutant.touched.get(clip, ())
    ]
    new = [clip for clip in accepted if clip not in expected]
    if len(renamed) == len(new) == 1:
        accepted[renamed[0]] = accepted.pop(new[0])
        new = []
    faults += [f"new: {accepted[clip]}" for clip in new]
    for clip in sorted(expected):
        if clip not in accepted:
            faults.append(f"gone: {clip}")
            continue
        for name, before, after in zip(COLUMNS, good.rows[clip], accepted[clip], strict=True):
            if _plain(before) != _plain(after) and name not in mutant.touched.get(clip, ()):
                faults.append(f"{clip}: {name} {before!r} is {after!r}")
    return faults


def _plain(value: str) -> str:
    """Value with ends of lines in one form, without spaces around it."""
    return value.replace("\r\n", "\n").replace("\r", "\n").strip()
