"""The strict reader of CSV: what it takes, and what it refuses in one line with advice."""

import pytest

from merflow.corpora import delimited
from merflow.errors import CorpusError

COLUMNS = ("clip", "text", "label", "speaker", "dialogue", "split")
HEAD = ",".join(COLUMNS)
ROWS = [f",Number {k}.,{('joy', 'anger')[k % 2]},s{k % 3},," for k in range(12)]
SAVE = "; save it as CSV in UTF-8 with commas"
QUOTED = (
    ',"Well, no",joy,s0,,',
    ',"He said ""no, never"", twice",joy,s0,,',
    ',"line one\nline, two",joy,s0,,',
    ',"well,\nyes, no, maybe, so, so, I, do",joy,s0,,',
    ',"a\n\nb",joy,s0,,',
    ',"5"" tall",joy,s0,,',
    ',"  ""Hi"", she said",joy,s0,,',
)


def text_of(rows, head=HEAD, end="\n"):
    return "".join(f"{row}{end}" for row in (head, *rows))


def read(tmp_path, data, needed=COLUMNS, optional=()):
    path = tmp_path / "mine.csv"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return delimited.read(path, needed, optional)


def refused(tmp_path, data, **more):
    with pytest.raises(CorpusError) as error:
        read(tmp_path, data, **more)
    message = str(error.value).removeprefix(f"{tmp_path / 'mine.csv'}")
    assert "\n" not in message
    return message.removeprefix(", ").removeprefix(": ")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\r\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_ends_of_lines_and_a_mark_change_no_value(tmp_path, end, encoding):
    rows = [",Café ’tis,joy,s0,,", *ROWS]
    table = read(tmp_path, text_of(rows, end=end).encode(encoding))
    assert [",".join(row.values.values()) for row in table.rows] == rows
    assert not read(tmp_path, "\ufeff\ufeff" + text_of(rows)).n_blank
    assert len(read(tmp_path, text_of(rows).rstrip()).rows) == 13


def test_a_line_is_where_its_row_begins(tmp_path):
    rows = [*QUOTED, ",last,joy,s0,,"]
    table = read(tmp_path, text_of(rows))
    lines = text_of(rows).split("\n")
    assert [row.number for row in table.rows] == [2, 3, 4, 6, 8, 11, 12, 13]
    assert lines[12] == ",last,joy,s0,,"
    assert table.rows[2].values["text"] == "line one\nline, two"
    assert table.rows[6].values["text"] == '  "Hi", she said'


def test_rows_without_any_value_are_skipped_and_counted(tmp_path):
    empty = ["", ",,,,,", "  , ,,,,", "   ", ",,", ",,,,,,,,,"]
    table = read(tmp_path, text_of(["", *ROWS[:2], *empty, *ROWS[2:], *empty]))
    assert (len(table.rows), table.n_blank) == (12, 13)
    assert table.rows[2].number == 11
    assert read(tmp_path, "\n,,\n" + text_of(ROWS)).rows[0].number == 4


def test_other_columns_and_their_order_do_not_matter(tmp_path):
    table = read(tmp_path, "note,b,a,note,\n1,2,3,4,5\n", needed=("a",), optional=("b", "c"))
    assert [row.values for row in table.rows] == [{"a": "3", "b": "2"}]


def test_rows_of_another_length_are_named_and_counted(tmp_path):
    rows = [row.replace("Number", "Oh, no") if k in (4, 9) else row for k, row in enumerate(ROWS)]
    message = "lines 6 and 11: more values than the 6 columns; put a value with a comma between"
    assert refused(tmp_path, text_of(rows)).startswith(message)
    short = refused(tmp_path, text_of([row[:-1] for row in ROWS]))
    assert short.startswith("lines 2, 3, 4, 5, 6 and 7 more: fewer values than the 6 columns; ")
    assert "move a filled column to the end" in short  # Excel leaves out empty last columns
    both = refused(tmp_path, text_of([*ROWS, "a,b", "1,2,3,4,5,6,7"]))
    assert both.startswith("line 15: more values") and "; line 14: fewer values" in both
    assert refused(tmp_path, text_of(ROWS)[:-6]).startswith("line 13: fewer values")  # cut off


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([*ROWS, ',"Oh no you said,joy,s3,,', *ROWS], "line 14: a quote opens here and is not"),
        (
            [*ROWS, ',"Oh no,joy,s3,,', *ROWS, ',Stop",anger,s0,,'],
            "line 14: a quote opens here and closes in line 27, and lines between look like rows",
        ),
        (
            [',"Oh, no,joy,s3,,', ',Stop",anger,s0,,', *ROWS],
            "line 2: a quote opens here and closes in line 3",
        ),
        ([',"Oh no,joy,s3,,', *ROWS, ',"Well, yes",joy,s0,,'], "line 2: a quote opens here and is"),
        ([',"Oh no,joy,s3,,', *[row * 9 for row in ROWS * 400]], "line 2: a quote opens here"),
        ([',"Oh" no,joy,s3,,'], "line 2: text after a closing quote; write a quote inside"),
        ([', "Oh no",joy,s3,,'], "line 2: a quote without its pair, or after a space, in"),
        (['a.wav"Oh, no",joy,s3,d,'], "line 2: a quote without its pair, or after a space, in"),
        ([',5" tall,joy,s3,,'], "line 2: a quote without its pair"),
    ],
)
def test_a_quote_that_swallows_rows_is_named_where_it_opens(tmp_path, rows, message):
    assert refused(tmp_path, text_of(rows)).startswith(message)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("clip,text,label,label,speaker,dialogue,split", "line 1: column label twice"),
        ("clip,text,label,Label ,speaker,dialogue,split", "line 1: column label twice"),
        (
            "Clip, Text,label,speaker,dialogue,split",
            "line 1: columns 'Clip', ' Text'; write clip, text",
        ),
        ("clip,text,emotion,speaker,dialogue,split", "no column label; line 1 has 'clip', 'text',"),
        (f'"{HEAD}"', f"no column {', '.join(COLUMNS)}; line 1 has '{HEAD}'"),
        (f"sep=,\n{HEAD}", "line 1: 'sep=,' is for Excel alone; delete it, or save it as CSV"),
        (f"{HEAD}\n{HEAD}", "line 2: the names of the columns again; remove it"),
        (f"{HEAD}\n,a,joy,s,,\n\ufeffClip,{HEAD[5:]}", "line 3: the names of the columns again"),
        (f"{HEAD}\nsplit,dialogue,text,label,speaker,clip", "line 2: the names of the columns"),
        *(
            (mark + HEAD.replace(",", sign), f"line 1: {name} between values{SAVE}")
            for sign, name in {";": "semicolons", "\t": "tabs", "|": "vertical bars"}.items()
            for mark in ("", "\ufeff")
        ),
        ('"clip";"text";"label";"speaker";"dialogue";"split"', "line 1: semicolons between"),
    ],
)
def test_a_first_line_of_another_form_is_refused(tmp_path, head, message):
    n_columns = head.split("\n")[0].count(",")
    assert refused(tmp_path, text_of([f"a{',' * n_columns}"], head)).startswith(message)


def test_an_optional_column_is_not_lost_by_its_spelling(tmp_path):
    message = refused(tmp_path, "clip, Text\na.wav,hi\n", needed=("clip",), optional=("text",))
    assert message == "line 1: columns ' Text'; write text"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (text_of([*ROWS, ",Café,joy,s0,,"]).encode("cp1252"), "line 14: not UTF-8 (byte 0xe9)"),
        (text_of(ROWS, end="\r").encode() + b",\x92,,,,", "line 14: not UTF-8 (byte 0x92)"),
        (text_of([*ROWS, ",Café"]).encode()[:-2], "line 14: not UTF-8"),  # cut in a character
        (text_of(ROWS).encode("utf-16"), "UTF-16, not CSV in UTF-8"),
        (b"\xfe\xff" + text_of(ROWS).encode("utf-16-be"), "UTF-16, not CSV in UTF-8"),
        (text_of(ROWS).encode("utf-16-le"), "line 1: a NUL character, so the file is damaged"),
        (text_of([*ROWS, ",a\0b,joy,s0,,"]), "line 14: a NUL character"),
        (b"PK\x03\x04 and so on", "a spreadsheet, not CSV in UTF-8"),
        (b"\xd0\xcf\x11\xe0 and so on", "a spreadsheet, not CSV in UTF-8"),
        (b"\x1f\x8b and so on", "a compressed file, not CSV in UTF-8"),
        (b"", "an empty file, expected columns clip, text"),
        (b"\n\n,,\n", "an empty file, expected columns clip, text"),
    ],
)
def test_a_file_of_another_form_is_refused_with_advice(tmp_path, data, message):
    refusal = refused(tmp_path, data)
    assert refusal.startswith(message) and SAVE in refusal


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(CorpusError, match=r"gone\.csv: no such file; ask Ann"):
        delimited.read(tmp_path / "gone.csv", COLUMNS, origin="ask Ann")
    with pytest.raises(CorpusError, match=r"cannot be read \(Is a directory\), expected a file"):
        delimited.read(tmp_path, COLUMNS)


def test_lines_end_at_no_other_sign():
    text = "a\x85b\x0bc\x0cd\x1ce\u2028f\ng\r\nh\ri"
    assert delimited.split_lines(text) == ["a\x85b\x0bc\x0cd\x1ce\u2028f\n", "g\r\n", "h\r", "i"]
