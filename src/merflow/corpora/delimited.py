"""Strict reader of CSV: UTF-8, commas, one value per column in each row.

A row is taken as it is written, or the file is refused; no row is guessed, cut or filled up. Only
the standard library is needed, because the Snakefile reads annotations at every start.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from merflow.corpora.transcripts import refuse_pointer
from merflow.errors import CorpusError

#: Advice on a file of another form; the names are those of the programs' menus.
SAVE = (
    "save it as CSV in UTF-8 with commas (Excel: CSV UTF-8; LibreOffice: Text CSV, character set"
    " UTF-8, field delimiter comma)"
)
#: First bytes -> form of a file that is not CSV in UTF-8.
SIGNATURES = {
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
    b"PK\x03\x04": "a spreadsheet",
    b"\xd0\xcf\x11\xe0": "a spreadsheet",
    b"\x1f\x8b": "a compressed file",
}
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
#: Separator as tables have it; a comma of a sentence has a space after it.
TIGHT_COMMA = re.compile(r",(?! )")
SPACE_BEFORE_QUOTE = re.compile(r'\s+"')
csv.field_size_limit(2**31 - 1)  # a transcript of an hour is longer than the default
LISTED = 5  # lines that an error names; it counts the others


@dataclass(frozen=True)
class Line:
    """Row of a table.

    Attributes:
        number: line of the file in which the row begins, from 1.
        values: by column, as written.
    """

    number: int
    values: dict[str, str]


@dataclass(frozen=True)
class Table:
    """Rows of a file that have a value.

    Attributes:
        rows: in the order of the file.
        n_blank: number of rows without any value below the first line, which are skipped.
    """

    rows: list[Line]
    n_blank: int


@dataclass(frozen=True)
class _Record:
    """Values of a row, and its first and last line in the file."""

    first: int
    last: int
    values: list[str]


def read(
    path: Path,
    needed: Sequence[str],
    optional: Sequence[str] = (),
    advice: str = SAVE,
    origin: str = "get it again",
) -> Table:
    """Read the columns `needed` and `optional`; other columns are left out.

    Lines end with LF, CRLF or CR. A byte-order mark is allowed. A value in quotes may have line
    breaks, unless the lines look like rows.

    Args:
        path: file.
        needed: columns that must be there, in any order.
        optional: columns that may be there.
        advice: way to mend a file of another form.
        origin: way to get a file that is absent.

    Raises:
        CorpusError: the file cannot be read, or is not of this form. Names the line.
    """
    lines = split_lines(_text(path, advice, origin))
    _refuse_separators(path, lines, (*needed, *optional), advice)
    records = list(_records(path, lines))
    filled = [record for record in records if any(value.strip() for value in record.values)]
    if not filled:
        raise CorpusError(f"{path}: an empty file, expected columns {', '.join(needed)}; {advice}")
    header, *rows = filled
    places = _places(path, header, needed, optional)
    names = {_plain(cell) for cell in header.values if cell.strip()}
    for record in rows:
        if names <= {_plain(value) for value in record.values}:
            raise CorpusError(
                f"{path}, line {record.first}: the names of the columns again; remove it"
            )
        _refuse_odd_quotes(path, record, lines, len(header.values))
    _refuse_counts(path, rows, len(header.values))
    return Table(
        [Line(row.first, {name: row.values[k] for name, k in places.items()}) for row in rows],
        n_blank=sum(record.first > header.first for record in records) - len(rows),
    )


def split_lines(text: str) -> list[str]:
    """Split at LF, CRLF and CR alone, and keep them; `str.splitlines` splits at eight more."""
    return list(io.StringIO(text, newline=""))


def _text(path: Path, advice: str, origin: str) -> str:
    refuse_pointer(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise CorpusError(f"{path}: no such file; {origin}") from error
    except OSError as error:
        raise CorpusError(
            f"{path}: cannot be read ({error.strerror}), expected a file of CSV"
        ) from error
    for signature, form in SIGNATURES.items():
        if data.startswith(signature):
            raise CorpusError(f"{path}: {form}, not CSV in UTF-8; {advice}")
    try:
        text = data.decode().lstrip("\N{ZERO WIDTH NO-BREAK SPACE}")
    except UnicodeDecodeError as error:
        line = len(split_lines(data[: error.start].decode() + "."))
        raise CorpusError(
            f"{path}, line {line}: not UTF-8 (byte 0x{data[error.start]:02x}); {advice}"
        ) from error
    if "\0" in text:
        line = len(split_lines(text[: text.index("\0") + 1]))
        raise CorpusError(
            f"{path}, line {line}: a NUL character, so the file is damaged or UTF-16; {advice}"
        )
    return text


def _refuse_separators(path: Path, lines: list[str], columns: Sequence[str], advice: str) -> None:
    """Refuse a first line that other characters than commas divide into columns."""
    number, head = next(((k, line) for k, line in enumerate(lines, 1) if line.strip()), (1, ""))
    if head.lower().startswith("sep="):
        raise CorpusError(
            f"{path}, line {number}: {head.strip()!r} is for Excel alone; delete it, or {advice}"
        )
    names = {_plain(name) for name in columns}

    def n_named(separator: str) -> int:
        return len(names & {_plain(cell.strip().strip('"')) for cell in head.split(separator)})

    for separator, name in SEPARATORS.items():
        if n_named(separator) > n_named(","):
            raise CorpusError(f"{path}, line {number}: {name} between values; {advice}")


def _records(path: Path, lines: list[str]) -> Iterator[_Record]:
    reader = csv.reader(lines, strict=True)
    first = 1
    while True:
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            reason = str(error)
            if reader.line_num > first or "end of data" in reason:
                reason = "a quote opens here and is not closed in its row; close it"
            elif "expected after" in reason:
                reason = "text after a closing quote; write a quote inside a value twice"
            raise CorpusError(f"{path}, line {first}: {reason}") from error
        yield _Record(first, reader.line_num, values)
        first = reader.line_num + 1


def _places(
    path: Path, header: _Record, needed: Sequence[str], optional: Sequence[str]
) -> dict[str, int]:
    """Column -> its place in a row."""
    where, cells = f"{path}, line {header.first}", [_plain(cell) for cell in header.values]
    known = [name for name in (*needed, *optional) if _plain(name) in cells]
    if missing := [name for name in needed if name not in known]:
        listed = ", ".join(map(repr, header.values))
        raise CorpusError(
            f"{path}: no column {', '.join(missing)}; line {header.first} has {listed}"
        )
    for name in known:
        if cells.count(_plain(name)) > 1:
            raise CorpusError(f"{where}: column {name} twice; remove or rename one of them")
    places = {name: cells.index(_plain(name)) for name in known}
    if misspelt := [name for name, k in places.items() if header.values[k] != name]:
        written = ", ".join(repr(header.values[places[name]]) for name in misspelt)
        raise CorpusError(f"{where}: columns {written}; write {', '.join(misspelt)}")
    return places


def _refuse_counts(path: Path, rows: list[_Record], expected: int) -> None:
    """Refuse rows with more or fewer values than there are columns."""
    more = [row.first for row in rows if len(row.values) > expected]
    fewer = [row.first for row in rows if len(row.values) < expected]
    messages = []
    if more:
        messages.append(
            f"{_listed(more)}: more values than the {expected} columns; put a value with a comma"
            ' between quotes (")'
        )
    if fewer:
        messages.append(
            f"{_listed(fewer)}: fewer values than the {expected} columns; write a comma for each"
            " empty value (Excel leaves them out where the last column is empty: move a filled"
            " column to the end)"
        )
    if messages:
        raise CorpusError(f"{path}, {'; '.join(messages)}")


def _refuse_odd_quotes(path: Path, record: _Record, lines: list[str], expected: int) -> None:
    """Refuse a row that swallows others, and quotes that stand around no value."""
    inside = lines[record.first - 1 : record.last]
    rows_inside = [line for line in inside if len(TIGHT_COMMA.findall(line)) >= expected - 1]
    if len(inside) > 1 and len(rows_inside) > 1:
        raise CorpusError(
            f"{path}, line {record.first}: a quote opens here and closes in line {record.last},"
            " and lines between look like rows; close it, or write the value in one line"
        )
    for value in record.values:
        unpaired = value.count('"') % 2 or SPACE_BEFORE_QUOTE.match(value)
        doubled = value.replace('"', '""')
        if unpaired and f'"{doubled}"' not in "".join(inside):
            raise CorpusError(
                f"{path}, line {record.first}: a quote without its pair, or after a space, in"
                f" {value[:40]!r}; put a value with a comma or a quote between quotes, and write a"
                " quote inside it twice"
            )


def _listed(numbers: Sequence[int]) -> str:
    """Numbers of lines in words, the first few of them."""
    if len(numbers) == 1:
        return f"line {numbers[0]}"
    *names, last = map(str, numbers[:LISTED])
    if len(numbers) > LISTED:
        names, last = [*names, last], f"{len(numbers) - LISTED} more"
    return f"lines {', '.join(names)} and {last}"


def _plain(name: str) -> str:
    return name.replace("\N{ZERO WIDTH NO-BREAK SPACE}", "").strip().casefold()
