import pandas as pd
import pytest
from support import REPORTED

from merflow.errors import EvaluationError
from merflow.tables.printed import Printed
from merflow.tables.reported import load

PAPERS = sorted(path.stem for path in REPORTED.glob("*.csv"))


@pytest.mark.parametrize("paper", PAPERS)
def test_every_file_is_valid_and_says_where_each_number_stands(paper):
    table = load(REPORTED, paper)
    assert len(table) > 50
    assert (table["where"] != "").all()


def test_printed_numbers_keep_their_digits_and_become_shares():
    table = load(REPORTED, "weighted_late_fusion")
    table = table[table["metric"] == "weighted_f1"].set_index(["table", "system"])
    headline, row, roberta = (
        table.loc[key]
        for key in (("6", "text_bert_32"), ("3", "text_bert_32"), ("5", "text_roberta_8"))
    )
    assert (headline["value"], headline["decimals"]) == ("62.04", 2)
    assert (row["value"], row["decimals"]) == ("0.6204", 4)
    assert headline["share"] == pytest.approx(row["share"]) == pytest.approx(0.6204)
    assert (roberta["value"], roberta["decimals"]) == ("0.6240", 4)
    counts = load(REPORTED, "weighted_late_fusion").query("metric == 'count'")
    assert counts["share"].isna().all() and counts["number"].iloc[0] == 9989


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("value", "0,62", "line 2: value '0,62' is not a number"),
        ("value", "", "line 2: value '' is not a number"),
        (
            "note",
            "not in the source",
            "line 2: value '0.62' contradicts the remark 'not in the source'; take one",
        ),
        (
            "class",
            "joy",
            "line 2: class 'joy' must be named for metrics of one class, and not for",
        ),
        ("unit", "%", "line 2: unit '%' is unknown; known: count"),
        ("metric", "wa", "line 2: metric 'wa' is unknown"),
        ("value", "62.04", "line 2: value '62.04' is not a share"),
        ("split", "val", "line 2: split 'val' is not one of train"),
        ("metric", "f1", "line 2: class '' must be named"),
        ("row", "b", "line 3: metric_as_printed 'F1' stands twice"),
        ("value", "inf", "line 2: value 'inf' is not a number"),
        ("value", "-0.1", "line 2: value '-0.1' is not a share"),
        ("corpus", "melt", "line 2: corpus 'melt' is unknown; known: meld, iemocap"),
        ("class", "happy", "line 2: class 'happy' is not a class of the corpus"),
    ],
)
def test_a_wrong_row_is_refused_by_line(tmp_path, column, value, message):
    row = {
        "table": "1",
        "row": "a",
        "corpus": "meld",
        "system": "s",
        "metric": "weighted_f1",
        "metric_as_printed": "F1",
        "class": "",
    }
    row |= {"split": "test", "value": "0.62", "unit": "share", "where": "here", "note": ""}
    pd.DataFrame([row | {column: value}, row | {"row": "b"}]).to_csv(
        tmp_path / "p.csv", index=False
    )
    with pytest.raises(EvaluationError, match=message):
        load(tmp_path, "p")


@pytest.mark.parametrize(
    ("metric", "value", "unit", "message"),
    [
        ("count", "-3", "utterances", "value '-3' is below 0"),
        ("count", "3.5", "utterances", "value '3.5' is not a whole number"),
        ("part_share", "120", "percent", "value '120' is not a share between 0 and 1"),
        ("dropout", "20", "number", "value '20' is not a share between 0 and 1"),
        ("spread", "-1.5", "points", "value '-1.5' is below 0"),
    ],
)
def test_a_number_out_of_its_range_is_refused(tmp_path, metric, value, unit, message):
    write(tmp_path / "p.csv", metric=metric, value=value, unit=unit)
    with pytest.raises(EvaluationError, match=f"p.csv, line 2: {message}"):
        load(tmp_path, "p")


def test_a_difference_may_be_negative(tmp_path):
    write(tmp_path / "p.csv", metric="difference", value="-1.5", unit="points")
    assert load(tmp_path, "p")["number"].tolist() == [-1.5]


@pytest.mark.parametrize(
    ("system", "message"),
    [
        (
            "late_produkt",
            "'late_produkt' is not a system of joint_cnn; is it 'late_product'[?] known: ",
        ),
        ("svm", "'svm' is not a system of joint_cnn; known: "),
        ("Late Product", "'Late Product' is not a system of joint_cnn; is it 'late_product'[?]"),
        ("text_lstm and joint_cn", "'joint_cn' is not a system of joint_cnn; is it 'joint_cnn'[?]"),
    ],
)
def test_a_system_that_the_paper_does_not_have_is_refused(tmp_path, system, message):
    write(tmp_path / "joint_cnn.csv", system=system)
    with pytest.raises(EvaluationError, match=f"joint_cnn.csv, line 2: system {message}"):
        load(tmp_path, "joint_cnn")


@pytest.mark.parametrize(
    "system",
    [
        "",
        "all",
        "late_product",
        "text_lstm, late_average and joint_cnn",
        "TFN",
        "Zadeh et al., 2018",
        "bc-LSTM",
    ],
)
def test_keys_lists_of_keys_and_printed_names_are_known(tmp_path, system):
    write(tmp_path / "joint_cnn.csv", system=system)
    assert load(tmp_path, "joint_cnn")["system"].tolist() == [system]


def write(path, **changes):
    """A file of one row."""
    row = {
        "table": "1",
        "row": "a",
        "corpus": "meld",
        "system": "",
        "metric": "weighted_f1",
        "metric_as_printed": "F1",
        "class": "",
    }
    row |= {"split": "test", "value": "0.62", "unit": "share", "where": "here", "note": ""}
    pd.DataFrame([row | changes]).to_csv(path, index=False)


def test_an_absent_file_or_column_is_one_line(tmp_path):
    with pytest.raises(EvaluationError, match=r"p\.csv: cannot be read"):
        load(tmp_path, "p")
    (tmp_path / "p.csv").write_text("table,row\n1,a\n")
    with pytest.raises(
        EvaluationError, match="has columns table, row, expected table, row, corpus"
    ):
        load(tmp_path, "p")


def test_a_value_may_be_missing_only_where_the_note_says_so(tmp_path):
    row = {
        "table": "1",
        "row": "a",
        "corpus": "mosei",
        "system": "s",
        "metric": "uar",
        "metric_as_printed": "UA",
        "class": "happy",
    }
    row |= {
        "split": "test",
        "value": "",
        "unit": "percent",
        "where": "here",
        "note": "a remark; not in the source",
    }
    pd.DataFrame([row]).to_csv(tmp_path / "p.csv", index=False)
    assert load(tmp_path, "p")["value"].tolist() == ["not in the source"]
    pd.DataFrame([row | {"corpus": "meld", "class": "joy"}]).to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(
        EvaluationError, match="line 2: class 'joy' must be named for metrics of one class"
    ):
        load(tmp_path, "p")


def test_numbers_of_data_may_name_a_class_and_a_confusion_must(tmp_path):
    table = load(REPORTED, "joint_cnn")
    counts = table[(table["metric"] == "count") & (table["class"] != "")]
    assert dict(zip(counts["class"], counts["number"], strict=True)) == {
        "neutral": 384,
        "happiness": 144,
    }
    confused = table[table["metric"] == "confused"]
    assert (confused["class"].item(), confused["share"].item()) == ("happiness as excitement", 0.33)
    table.loc[:, :"note"].assign(**{"class": ""}).to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(EvaluationError, match="class '' must be named for metrics of one class"):
        load(tmp_path, "p")


def test_classes_in_tables_count_before_the_text():
    printed = load(REPORTED, "deepmsi_mer")
    stated = printed[(printed["corpus"] == "meld") & (printed["metric"] == "classes")]
    assert stated["number"].tolist() == [6]
    assert Printed.of("deepmsi_mer", "meld", printed).n_classes == 7
    without = printed[printed["class"] == ""]
    assert Printed.of("deepmsi_mer", "meld", without).n_classes == 6
