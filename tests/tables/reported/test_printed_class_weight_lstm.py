from support import REPORTED

from merflow.tables.reported import load

CLASS_WEIGHT_LSTM = """
    Happy 53.3% 46.7% 52.2% 47.8%
    Angry 22.5% 77.5% 20.1% 79.9%
    Sad 25.5% 74.5% 27.6% 72.4%
    Fear 8.6% 91.4% 6.9% 93.1%
    Disgust 17.8% 82.2% 19.1% 80.9%
    Surprise 10.2% 89.8% 9.9% 90.1%
"""


def test_table_i_of_class_weight_lstm_can_be_rebuilt():
    rows = load(REPORTED, "class_weight_lstm").query("table == 'I'")
    columns = [
        f"{part} set / {answer}" for part in ("Train", "Test") for answer in ("True", "False")
    ]
    wide = (
        rows.pivot(index="row", columns="metric_as_printed", values="value").loc[
            rows["row"].unique(), columns
        ]
        + "%"
    )
    assert [" ".join([row, *cells]) for row, *cells in wide.itertuples(name=None)] == [
        line.strip() for line in CLASS_WEIGHT_LSTM.strip().splitlines()
    ]
    assert set(rows.query("split == 'train'")["metric_as_printed"]) == {
        "Train set / True",
        "Train set / False",
    }
    assert rows.groupby(["row", "split"])["number"].sum().round(9).eq(100).all()
    names = dict(zip(rows["row"], rows["class"], strict=True))
    assert names == {row: {"Angry": "anger"}.get(row, row.lower()) for row in names}


def test_cells_that_our_source_lacks_are_marked():
    table = load(REPORTED, "class_weight_lstm")
    missing = table[table["value"] == "not in the source"]
    assert missing.index.equals(table[table["table"].isin(["II", "III"])].index)
    assert missing[["number", "share"]].isna().all(axis=None)
    emotions = ["happy", "anger", "sad", "fear", "disgust", "surprise", ""]
    own = (
        missing[~missing["system"].str.startswith("Zadeh")]
        .groupby(["table", "system"], sort=False)["class"]
        .agg(list)
    )
    assert own.to_dict() == {
        **{("II", name): emotions for name in ("acoustic", "visual", "language")},
        **{
            ("III", name): emotions
            for name in ("early_fusion", "late_fusion", "deep_fusion", "tensor_fusion")
        },
    }


def test_two_tables_of_class_weight_lstm_have_no_cells():
    table = load(REPORTED, "class_weight_lstm")
    assert set(table["table"]) == {"I", "II", "III", "text"}
    assert set(table.loc[table["value"] == "not in the source", "table"]) == {"II", "III"}
