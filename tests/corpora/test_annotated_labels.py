"""Labels of own annotations: look-alikes and placeholders are refused, absent classes counted."""

import csv

import pandas as pd
import pytest

from merflow.corpora import annotations
from merflow.corpora.label_names import alike
from merflow.corpora.prepare import prepare
from merflow.errors import CorpusError

HEAD = "clip,text,label,speaker,dialogue,split"
SPLITS = ("train", "train", "train", "dev", "test", "test")
#: Texts that are right as they are.
TEXTS = (
    *(
        "😂😂",
        "I\x92ve had it",
        "\ufeffHello there",
        "\u200b\u200b",
        "N/A",
        "null",
        "你 好",
        "NaN",
        "-",
    ),
    *("=1+2", "…", "[CLS] [SEP] </s>", '"Quoted, ""twice""', "line one\nline two", "Cafe\u0301"),
    *("\u202eright to left", "word " * 3000, "a" * 5000),
)


def rows_of(labels, splits=(), speakers=("s0", "s1", "s2")):
    """Rows of text, with labels, speakers and splits in turn."""
    return [
        f",Number {k}.,{labels[k % len(labels)]},{'' if splits else speakers[k // 2 % 3]},"
        f"d{k // 3},{splits[k % len(splits)] if splits else ''}"
        for k in range(18)
    ]


def write(tmp_path, rows):
    path = tmp_path / "mine.csv"
    path.write_text("\n".join([HEAD, *rows]) + "\n", encoding="utf-8")
    return path


def defects_of(tmp_path, rows):
    """Kinds and details of the defects of classes and names that the step `prepare` lists."""
    (tmp_path / "clips").mkdir()
    prepare("mine", "clips", tmp_path / "clips", tmp_path / "data", write(tmp_path, rows))
    table = pd.read_csv(tmp_path / "data/defects.csv", dtype=str, keep_default_na=False)
    chosen = table[table["kind"].str.contains("class absent|look alike")]
    return chosen[["kind", "detail"]].values.tolist()


@pytest.mark.parametrize(
    ("labels", "groups"),
    [
        (("anger", "Anger", "joy"), "anger (6), Anger (6)"),
        (("joy", "Joy\N{NO-BREAK SPACE}", " JOY", "rage"), "joy (5), Joy (5), JOY (4)"),
        (("very sad", "very_sad", "very-sad", "joy"), "very sad (5), very_sad (5), very-sad (4)"),
        (("joy\N{ZERO WIDTH SPACE}", "joy", "rage"), "joy\N{ZERO WIDTH SPACE} (6), joy (6)"),
        (("1", "1.0", "2"), "1 (6), 1.0 (6)"),
        (("sad", "Sad", "joy", "JOY"), "sad (5), Sad (5); joy (4), JOY (4)"),
    ],
)
def test_labels_that_look_alike_are_refused_with_counts(tmp_path, labels, groups):
    with pytest.raises(CorpusError) as error:
        annotations.read(write(tmp_path, rows_of(labels)))
    assert f"mine.csv: labels that look alike: {groups}; write each" in str(error.value)


@pytest.mark.parametrize(
    "labels",
    [
        ("0", "1.0", "10"),
        ("-1", "0", "1"),
        ("anger|rage", "50% joy_&_fun", "[sad] <b>$x$</b>"),
        ("joy", "joyful", "calm"),
        ("class 1", "class 2", "class 12"),
        ("😂", "😡", "怒り"),
    ],
)
def test_other_labels_are_classes_as_they_are_typed(tmp_path, labels):
    assert annotations.read(write(tmp_path, rows_of(labels))).classes == sorted(labels)


@pytest.mark.parametrize("name", ["nan", "N/A", "NULL", "None", "-", "?", "…", "#N/A", "#NAME?"])
def test_a_label_that_reads_like_none_is_refused(tmp_path, name):
    with pytest.raises(CorpusError) as error:
        annotations.read(write(tmp_path, rows_of(("joy", "rage", name))))
    message = f"line 4: labels that read like no label: {name} (6); leave the cell empty"
    assert message in str(error.value)


def test_other_names_may_read_like_none(tmp_path):
    speakers = ("NA", "null", "nan")
    rows = [row.replace(",d", ",None") for row in rows_of(("joy", "rage"), speakers=speakers)]
    table = annotations.read(write(tmp_path, rows))
    assert {row.speaker for row in table.rows} == set(speakers)
    assert {row.dialogue for row in table.rows} == {f"None{k}" for k in range(6)}
    texts = [f",{text},joy,s{k}," for k, text in enumerate(("N/A", "null", "NaN"))]
    rows = [f"{row}," for row in texts] + rows_of(("joy", "rage"))
    assert [row.text for row in annotations.read(write(tmp_path, rows)).rows[:3]] == [
        *("N/A", "null", "NaN")
    ]


def test_odd_texts_are_kept_as_they_are(tmp_path):
    path = tmp_path / "mine.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(HEAD.split(","))
        for k, text in enumerate(TEXTS):
            table.writerow(["", text, ("joy", "rage")[k % 2], f"s{k % 3}", "", ""])
    rows = annotations.read(path).rows
    assert [row.text for row in rows] == [text.strip() for text in TEXTS]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (rows_of(("joy",)), "1 label (joy); two or more are needed"),
        (rows_of(("",)), "0 labels (none); two or more are needed"),
        ([",One.,joy,,,train", ",Two.,rage,,,test"], "no row of split dev; fill it in"),
        (
            [",One.,joy,,,train", ",Two.,rage,,,dev", ",Three.,joy,,,test"],
            "all rows of split train have the label joy; two or more labels are needed",
        ),
        (
            rows_of(("joy", "rage", "joy", "rage", "", ""), SPLITS),
            "no label in split test (6 rows); fill them in, or leave the column split empty",
        ),
    ],
)
def test_labels_that_allow_no_score_are_refused(tmp_path, rows, message):
    with pytest.raises(CorpusError) as error:
        annotations.read(write(tmp_path, rows))
    assert f"mine.csv: {message}" in str(error.value)


def test_a_class_that_a_given_split_lacks_is_a_defect(tmp_path):
    rows = rows_of(("joy", "rage", "calm", "joy", "fear", "rage"), SPLITS)
    assert defects_of(tmp_path, rows) == [
        ["class absent from dev", "calm (3 in all)"],
        ["class absent from test", "calm (3 in all)"],
        ["class absent from train", "fear (3 in all)"],
        ["class absent from dev", "fear (3 in all)"],
        ["class absent from test", "joy (6 in all)"],
        ["class absent from dev", "rage (6 in all)"],
    ]


def test_a_class_rarer_than_the_folds_is_a_defect(tmp_path):
    rows = [row.replace("Number 5.,rage", "Number 5.,fear") for row in rows_of(("joy", "rage"))]
    ((kind, detail), (other, _)) = defects_of(tmp_path, rows)
    assert (kind, other) == ("class absent from train", "class absent from dev")
    assert detail.startswith("fear (1 in all), in fold") and detail.endswith(" of 5")


def test_a_line_break_in_a_name_is_refused(tmp_path):
    rows = rows_of(("joy", "rage"))
    for column, value in (("label", "joy"), ("speaker", "s0"), ("dialogue", "d0")):
        changed = rows[0].replace(f",{value},", f',"{value}\nmore",')
        with pytest.raises(CorpusError, match=f"line 2: a line break in {column}; only a text"):
            annotations.read(write(tmp_path, [changed, *rows[1:]]))


def test_a_long_text_is_taken(tmp_path):
    rows = rows_of(("joy", "rage"))
    long = "so " * 100_000
    path = write(tmp_path, [row.replace("Number 5.", long) for row in rows])
    assert any(row.text == long.strip() for row in annotations.read(path).rows)


def test_speakers_that_look_alike_are_a_defect(tmp_path):
    rows = rows_of(("joy", "rage"), speakers=("Ann", "ann", "Bob"))
    assert defects_of(tmp_path, rows) == [["speakers look alike", "Ann (6), ann (6)"]]


def test_names_are_alike_by_their_letters_alone():
    assert alike({"a-b": 1, "A b": 2, "ab": 3, "-1": 1, "1": 1, "+1.0": 2, "1-2": 1}) == [
        "a-b (1), A b (2), ab (3)",
        "1 (1), +1.0 (2)",
    ]
