import pytest
from support import REPORTED

from merflow.tables.reported import load

JOINT_CNN = {  # header and rows as the paper prints them
    "1": """
        Model / Architecture(s) / Hyperparameters / Values
        Feature extractor (text) / CNN / (f1, f2, f3, fout) / (3, 4, 5, 64)
        Feature extractor Output / - / (DT, DS) / (100, 100)
        Text ED / LSTM / Number of LSTM units (N1) / 128
        Text ED / LSTM / (N2, N3, N4) / (512, 128, 6)
        Speech ED / CNN / (Nf, Nw) / (128, 5)
        Speech ED / CNN / (Nc2, Nc3, Nc4) / (512, 128, 6)
        Late Fusion-II / CNN, LSTM / (w1, w2) / (0.3, 0.7)
    """,
    "2": """
        Model / Type / UA / WA / F1
        CNN / Audio / 47.1 / 46.0 / 45.0
        LSTM / Text / 53.0 / 53.5 / 53.6
        Early Fusion / joint-CNN (Eqn. 1) / 55.6 / 57.2 / 57.2
        Late Fusion-I / Average (Eqn. 2) / 58.8 / 59.5 / 59.7
        Late Fusion-II / Weighted (Eqn. 3) / 60.2 / 59.6 / 59.6
        Late Fusion-III / Product (Eqn. 4) / 59.3 / 61.2 / 61.2
    """,
    "3": """
        Model / Features / UA / WA / F1
        TFN / (A+T+V) / 55.9 / 58.8 / 58.5
        MFN / (A+T+V) / 58.3 / 60.1 / 59.9
        Late Fusion-II Weighted / (A+T) / 60.2 / 59.6 / 59.6
        Late Fusion-III Product / (A+T) / 59.3 / 61.2 / 61.2
        cLSTM* / (A+T+V) / 56.1 / 59.8 / 59.0
        ICON* / (A+T) / 60.0 / 63.0 / 63.0
    """,
}


@pytest.mark.parametrize("name", JOINT_CNN)
def test_tables_of_joint_cnn_can_be_rebuilt(name):
    rows = load(REPORTED, "joint_cnn").query("table == @name")
    header, *printed = [line.strip().split(" / ") for line in JOINT_CNN[name].strip().splitlines()]
    if name == "1":  # a row is a tuple, in a column of its own
        values = rows.groupby("row", sort=False)["value"].agg(list)
        rebuilt = [
            [*row.split(" / "), f"({', '.join(cells)})" if len(cells) > 1 else cells[0]]
            for row, cells in values.items()
        ]
    else:
        columns = list(dict.fromkeys(rows["metric_as_printed"]))
        assert header[-3:] == columns
        wide = rows.pivot(index="row", columns="metric_as_printed", values="value").loc[
            rows["row"].unique(), columns
        ]
        rebuilt = [[*row.split(" / "), *cells] for row, *cells in wide.itertuples(name=None)]
    assert rebuilt == printed


def test_f1_of_joint_cnn_goes_with_the_accuracy():
    """Arithmetic behind the note that its F1 is weighted. A macro F1 goes with the mean recall."""
    table = load(REPORTED, "joint_cnn")
    wide = table[table["table"].isin(["2", "3"])].pivot(
        index=["table", "system"], columns="metric", values="number"
    )
    assert (wide["weighted_f1"] - wide["accuracy"]).abs().max() == pytest.approx(1.0)
    assert (wide["weighted_f1"] - wide["uar"]).abs().max() == pytest.approx(3.0)


def test_joint_cnn_has_three_tables():
    assert set(load(REPORTED, "joint_cnn")["table"]) == {*JOINT_CNN, "text"}
