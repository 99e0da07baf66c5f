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


WEIGHTED_LATE_FUSION = {  # header and rows as the paper prints them, cells without a number included
    "1": """
        / Train / Validation / Test
        No of Samples / 9989 / 1112 / 4807
    """,
    "2": """
        Batch Size / Learning Rate / Weight Decay / Training Loss / Validation Loss / Accuracy / F1 / Precision / Recall
        8 / 2e-4 / 0.01 / 0.7223 / 1.1372 / 0.6517 / 0.6355 / 0.6261 / 0.6517
        16 / 1e-4 / 0.01 / 1.2752 / 1.1007 / 0.6411 / 0.6082 / 0.5937 / 0.6411
        32 / 2e-5 / 0.01 / 1.1398 / 1.1378 / 0.6281 / 0.5978 / 0.5751 / 0.6281
    """,
    "3": """
        Weighted Accuracy / F1-Score
        0.6325 / 0.6145
        0.6344 / 0.5983
        0.6475 / 0.6204
    """,
    "4": """
        Batch Size / Learning Rate / Weight Decay / Training Loss / Validation Loss / Accuracy / F1 / Precision / Recall
        8 / 1e-5 / 0.01 / 0.9198 / 1.1214 / 0.6411 / 0.6147 / 0.6178 / 0.6411
        16 / 1e-5 / 0.01 / 0.9623 / 1.0991 / 0.6436 / 0.6153 / 0.5922 / 0.64
        32 / 1e-5 / 0.01 / 1.2142 / 1.086 / 0.6406 / 0.6073 / 0.5873 / 0.6406
    """,
    "5": """
        Weighted Accuracy / F1-Score
        0.6464 / 0.6240
        0.6548 / 0.6296
        0.6517 / 0.6215
    """,
    "6": """
        Model / Weighted F1-Score
        RGAT / 60.91
        BERT+MTL / 61.90
        TRMSM-Att / 62.36
        ERMC-DisGCN / 64.22
        Our fine-tuned BERT Model / 62.04
    """,
    "7": """
        Model / Weighted F1-Score
        SACL-LSTM / 66.86
        CoMPM / 66.52
        COSMIC / 65.21
        DAG-ERC / 63.65
        Our fine-tuned RoBERTa Model / 62.96
    """,
    "8": """
        / Precision / Recall / F1-Score
        Accuracy / / / 0.34
        Macro Avg / 0.52 / 0.15 / 0.1
        Weighted Avg / 0.59 / 0.34 / 0.25
    """,
    "9": """
        / Precision / Recall / F1-Score
        Accuracy / / / 0.24
        Macro Avg / 0.31 / 0.2 / 0.17
        Weighted Avg / 0.34 / 0.24 / 0.25
    """,
    "10": """
        / T / A / V / T+A+V
        F1 Score / 0.6547 / 0.3375 / 0.2479 / 0.45
    """,
}


@pytest.mark.parametrize("name", WEIGHTED_LATE_FUSION)
def test_the_tables_of_weighted_late_fusion_can_be_rebuilt_from_its_rows(name):
    rows = load(REPORTED, "weighted_late_fusion").query("table == @name")
    header, *printed = [[cell.strip() for cell in line.split("/")] for line in WEIGHTED_LATE_FUSION[name].strip().splitlines()]
    wide = rows.pivot(index="row", columns="metric_as_printed", values="value").fillna("").loc[rows["row"].unique()]
    wide = wide.T if name == "10" else wide
    headed = name not in ("2", "3", "4", "5")  # their rows have no head in print, ours name the batch size
    columns = header[headed:]
    assert set(columns) == set(wide.columns)
    assert [[label, *cells][not headed :] for label, *cells in wide[columns].itertuples(name=None)] == printed
    if not headed:
        assert list(rows["row"].unique()) == [f"batch size {name.split('_')[-1]}" for name in rows["system"].unique()]


def test_weighted_late_fusion_has_ten_tables():
    assert set(load(REPORTED, "weighted_late_fusion")["table"]) == {*WEIGHTED_LATE_FUSION, "text"}


def test_table_10_of_weighted_late_fusion_mixes_accuracy_and_f1():
    """Arithmetic behind its notes: rounded, a cell is one of the two scores that the earlier tables print of its system."""
    scores = load(REPORTED, "weighted_late_fusion").query("table in ('5', '8', '9')").set_index(["system", "metric"])["share"]
    mixed = load(REPORTED, "weighted_late_fusion").query("table == '10' and row != 'T+A+V'")
    assert list(mixed["metric"]) == ["accuracy", "accuracy", "weighted_f1"]
    for system, metric, share in mixed[["system", "metric", "share"]].itertuples(index=False):
        other = "weighted_f1" if metric == "accuracy" else "accuracy"
        assert abs(share - scores[system, metric]) < 0.005 <= abs(share - scores[system, other])


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
        ("value", "", "line 2: value '' is no number"),
        ("note", "not in the source", "line 2: value '0.62' stands beside the remark 'not in the source'; take one of them out"),
        ("class", "joy", "line 2: class 'joy' must be named for metrics of one class, and not for metrics of all"),
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
def test_the_tables_of_joint_cnn_can_be_rebuilt_from_its_rows(name):
    rows = load(REPORTED, "joint_cnn").query("table == @name")
    header, *printed = [line.strip().split(" / ") for line in JOINT_CNN[name].strip().splitlines()]
    if name == "1":  # a row is a tuple, in a column of its own
        values = rows.groupby("row", sort=False)["value"].agg(list)
        rebuilt = [[*row.split(" / "), f"({', '.join(cells)})" if len(cells) > 1 else cells[0]] for row, cells in values.items()]
    else:
        columns = list(dict.fromkeys(rows["metric_as_printed"]))
        assert header[-3:] == columns
        wide = rows.pivot(index="row", columns="metric_as_printed", values="value").loc[rows["row"].unique(), columns]
        rebuilt = [[*row.split(" / "), *cells] for row, *cells in wide.itertuples(name=None)]
    assert rebuilt == printed


CLASS_WEIGHT_LSTM = """
    Happy 53.3% 46.7% 52.2% 47.8%
    Angry 22.5% 77.5% 20.1% 79.9%
    Sad 25.5% 74.5% 27.6% 72.4%
    Fear 8.6% 91.4% 6.9% 93.1%
    Disgust 17.8% 82.2% 19.1% 80.9%
    Surprise 10.2% 89.8% 9.9% 90.1%
"""


def test_table_i_of_class_weight_lstm_can_be_rebuilt_from_its_rows():
    rows = load(REPORTED, "class_weight_lstm").query("table == 'I'")
    columns = [f"{part} set / {answer}" for part in ("Train", "Test") for answer in ("True", "False")]
    wide = rows.pivot(index="row", columns="metric_as_printed", values="value").loc[rows["row"].unique(), columns] + "%"
    assert [" ".join([row, *cells]) for row, *cells in wide.itertuples(name=None)] == [
        line.strip() for line in CLASS_WEIGHT_LSTM.strip().splitlines()
    ]
    assert set(rows.query("split == 'train'")["metric_as_printed"]) == {"Train set / True", "Train set / False"}
    assert rows.groupby(["row", "split"])["number"].sum().round(9).eq(100).all()
    names = dict(zip(rows["row"], rows["class"], strict=True))
    assert names == {row: {"Angry": "anger"}.get(row, row.lower()) for row in names}


MEL_CNN_BERT = {  # header and rows as the paper prints them
    "1": """
        Datasets / Categories / Happy / Angry / Disgust / Sadness / Surprise / Neutral / Fear / Percentage
        MELD / Train / 1846 / 1285 / 288 / 801 / 1308 / 5148 / — / 80%
        MELD / Test / 462 / 322 / 73 / 201 / 328 / 1288 / — / 20%
        CMU-MOSEI / Train / 8601 / 3680 / 3004 / 4480 / 1644 / — / 1442 / 80%
        CMU-MOSEI / Test / 2151 / 920 / 751 / 1121 / 411 / — / 361 / 20%
    """,
    "2": """
        Research / Modality / Accuracy / F1
        Li et al [39] / Speech + Text / 81.57 / 81.16
        Delbrouck et al [40] / Speech + Text / 81.52 / –
        Bi et al [41] / Speech + Text / 75.0 / 74.5
        Lio et al [42] / Speech + Text / – / 81.0
        Ours / Speech + Text / 88.4 / 87.9
    """,
    "3": """
        Research / Modality / WA / WF1
        Guo et al [43] / Speech + Text / 54.79 / 48.96
        Soumya et al [44] / Speech + Text / – / 65.8
        Sharma et al [45] / Speech + Text / – / 53.42
        Lian et al [46] / Speech + Text / 65.59 / 64.50
        Ours / Speech + Text / 66.81 / 66.12
    """,
}


@pytest.mark.parametrize("name", MEL_CNN_BERT)
def test_the_tables_of_mel_cnn_bert_can_be_rebuilt_from_its_rows(name):
    rows = load(REPORTED, "mel_cnn_bert").query("table == @name")
    header, *printed = [line.strip().split(" / ") for line in MEL_CNN_BERT[name].strip().splitlines()]
    cells = rows["value"].where(rows["metric"] != "part_share", rows["value"] + "%")
    wide = rows.assign(value=cells).pivot(index="row", columns="metric_as_printed", values="value").loc[rows["row"].unique()]
    wide = wide.fillna("—" if name == "1" else "–")
    assert set(wide.columns) == set(header[2:])
    assert [[*row.split(" / "), *cells] for row, *cells in wide[header[2:]].itertuples(name=None)] == printed


def test_counts_of_mel_cnn_bert_agree_and_every_class_is_split_at_four_fifths():
    """Arithmetic: Table 1 sums to what the text says of parts and classes, and each train cell is floor(0.8 n)."""
    counts = load(REPORTED, "mel_cnn_bert").query("metric == 'count' and unit == 'count'")
    table = counts.query("table == '1'")
    wide = table.pivot(index=["corpus", "class"], columns="split", values="number")
    assert len(wide) == 12
    assert (wide["train"] == (4 * wide.sum(axis=1)) // 5).all()
    said = counts.query("table == 'text' and row == 'samples'").set_index(["corpus", "split"])["number"]
    assert table.groupby(["corpus", "split"])["number"].sum().to_dict() == said.to_dict()
    samples = counts.query("row == 'emotional samples'").set_index("class")["number"]
    assert wide.loc["mosei"].sum(axis=1).to_dict() == samples.to_dict()


def test_what_our_source_of_class_weight_lstm_lacks_is_marked_cell_by_cell():
    table = load(REPORTED, "class_weight_lstm")
    missing = table[table["value"] == "not in the source"]
    assert missing.index.equals(table[table["table"].isin(["II", "III"])].index)
    assert missing[["number", "share"]].isna().all(axis=None)
    emotions = ["happy", "anger", "sad", "fear", "disgust", "surprise", ""]
    own = missing[~missing["system"].str.startswith("Zadeh")].groupby(["table", "system"], sort=False)["class"].agg(list)
    assert own.to_dict() == {
        **{("II", name): emotions for name in ("acoustic", "visual", "language")},
        **{("III", name): emotions for name in ("early_fusion", "late_fusion", "deep_fusion", "tensor_fusion")},
    }


def test_a_value_may_be_missing_only_where_the_note_says_so(tmp_path):
    row = {"table": "1", "row": "a", "corpus": "mosei", "system": "s", "metric": "uar", "metric_as_printed": "UA", "class": "happy"}
    row |= {"split": "test", "value": "", "unit": "percent", "where": "here", "note": "a remark; not in the source"}
    pd.DataFrame([row]).to_csv(tmp_path / "p.csv", index=False)
    assert load(tmp_path, "p")["value"].tolist() == ["not in the source"]
    pd.DataFrame([row | {"corpus": "meld", "class": "joy"}]).to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(EvaluationError, match="line 2: class 'joy' must be named for metrics of one class"):
        load(tmp_path, "p")


def test_the_fusions_of_class_weight_lstm_cannot_all_gain_two_points():
    """Arithmetic behind the note of its claim: the best gains 2.47, and the worst is 1.5 below."""
    text = load(REPORTED, "class_weight_lstm").query("table == 'text' and metric == 'difference'").set_index("row")["number"]
    assert text["gain, best fusion"] - text["fusions, spread"] == pytest.approx(0.97) and text["gain, multimodal"] == 2


def test_f1_of_joint_cnn_goes_with_the_accuracy():
    """Arithmetic behind the note that its F1 is weighted: a macro F1 would go with the mean recall."""
    table = load(REPORTED, "joint_cnn")
    wide = table[table["table"].isin(["2", "3"])].pivot(index=["table", "system"], columns="metric", values="number")
    assert (wide["weighted_f1"] - wide["accuracy"]).abs().max() == pytest.approx(1.0)
    assert (wide["weighted_f1"] - wide["uar"]).abs().max() == pytest.approx(3.0)


def test_numbers_of_data_may_name_a_class_and_a_confusion_must(tmp_path):
    table = load(REPORTED, "joint_cnn")
    counts = table[(table["metric"] == "count") & (table["class"] != "")]
    assert dict(zip(counts["class"], counts["number"], strict=True)) == {"neutral": 384, "happiness": 144}
    confused = table[table["metric"] == "confused"]
    assert (confused["class"].item(), confused["share"].item()) == ("happiness as excitement", 0.33)
    table.loc[:, :"note"].assign(**{"class": ""}).to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(EvaluationError, match="class '' must be named for metrics of one class"):
        load(tmp_path, "p")
