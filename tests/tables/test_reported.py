from pathlib import Path

import pandas as pd
import pytest

from merflow.errors import EvaluationError
from merflow.tables.reported import load

REPORTED = Path(__file__).parents[2] / "reported"
PAPERS = sorted(path.stem for path in REPORTED.glob("*.csv"))


@pytest.mark.parametrize("paper", PAPERS)
def test_every_file_is_valid_and_says_where_each_number_stands(paper):
    table = load(REPORTED, paper)
    assert len(table) > 50
    assert (table["where"] != "").all()


def test_weighted_late_fusion_holds_the_cells_of_all_ten_tables():
    table = load(REPORTED, "weighted_late_fusion")
    cells = table["table"].value_counts().to_dict()
    del cells["text"]
    assert cells == {"1": 3, "2": 27, "3": 6, "4": 27, "5": 6, "6": 5, "7": 5, "8": 7, "9": 7, "10": 4}
    assert set(table["table"]) == {*map(str, range(1, 11)), "text"}


def test_printed_numbers_keep_their_digits_and_become_shares():
    table = load(REPORTED, "weighted_late_fusion")
    table = table[table["metric"] == "weighted_f1"].set_index(["table", "system"])
    headline, row, roberta = (table.loc[key] for key in (("6", "text_bert_32"), ("3", "text_bert_32"), ("5", "text_roberta_8")))
    assert (headline["value"], headline["decimals"]) == ("62.04", 2)
    assert (row["value"], row["decimals"]) == ("0.6204", 4)
    assert headline["share"] == pytest.approx(row["share"]) == pytest.approx(0.6204)
    assert (roberta["value"], roberta["decimals"]) == ("0.6240", 4)
    counts = load(REPORTED, "weighted_late_fusion").query("metric == 'count'")
    assert counts["share"].isna().all() and counts["number"].iloc[0] == 9989


def test_weighted_recall_is_the_printed_accuracy():
    """Arithmetic: so "weighted accuracy" in Tables 3 and 5 can only be the plain accuracy."""
    table = load(REPORTED, "weighted_late_fusion")
    dev = table[table["table"].isin(["2", "4"]) & (table["split"] == "dev")].pivot(index=["table", "row"], columns="metric", values="share")
    assert (dev["accuracy"].round(2) == dev["weighted_recall"].round(2)).all()


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("value", "0,62", "line 2: value '0,62' is no number"),
        ("unit", "%", "line 2: unit '%' is unknown; known: count"),
        ("metric", "wa", "line 2: metric 'wa' is unknown"),
        ("value", "62.04", "line 2: value '62.04' is no share"),
        ("split", "val", "line 2: split 'val' is none of"),
        ("metric", "f1", "line 2: class '' must be named"),
        ("row", "b", "line 3: metric_as_printed 'F1' stands twice"),
    ],
)
def test_a_wrong_row_is_refused_by_line(tmp_path, column, value, message):
    row = {"table": "1", "row": "a", "corpus": "meld", "system": "s", "metric": "weighted_f1", "metric_as_printed": "F1", "class": ""}
    row |= {"split": "test", "value": "0.62", "unit": "share", "where": "here", "note": ""}
    pd.DataFrame([row | {column: value}, row | {"row": "b"}]).to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(EvaluationError, match=message):
        load(tmp_path, "p")


def test_an_absent_file_or_column_is_one_line(tmp_path):
    with pytest.raises(EvaluationError, match=r"p\.csv: cannot be read"):
        load(tmp_path, "p")
    (tmp_path / "p.csv").write_text("table,row\n1,a\n")
    with pytest.raises(EvaluationError, match="its columns are table, row; expected table, row, corpus"):
        load(tmp_path, "p")
