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


DEEPMSI_MER = {  # classes, then rows as the paper prints them: Acc. and F1 of each class, and of all, weighted
    "1": """
        Happy Sad Neutral Angry Excited Frustrated Average(w)
        CMN 25.0 30.3 55.9 62.4 52.8 52.3 61.7 59.8 55.5 60.2 71.1 60.6 56.5 56.1
        bc-LSTM 29.1 34.4 57.1 60.8 54.1 51.8 57.0 56.7 51.1 57.9 67.1 58.9 55.2 54.9
        LFM 25.6 33.1 75.1 78.8 58.5 59.2 64.7 65.2 80.2 71.8 61.1 58.9 63.4 62.7
        A-DMN 43.1 50.6 69.4 76.8 63.0 62.9 63.5 56.5 88.3 77.9 53.3 55.7 64.6 64.3
        ICON 22.2 29.9 58.8 64.6 62.8 57.4 64.7 63.0 58.9 63.4 67.2 60.8 59.1 58.5
        DialogueGCN 40.6 42.7 89.1 84.5 62.0 63.5 67.5 64.1 65.5 63.1 64.1 66.9 65.2 64.1
        RGAT 60.1 51.6 78.8 77.3 60.1 65.4 70.7 63.0 78.0 68.0 64.3 61.2 65.0 65.2
        LR-GCN 54.2 55.5 81.6 79.1 59.1 63.8 69.4 69.0 76.3 74.0 68.2 68.9 68.5 68.3
        DER-GCN 60.7 58.8 75.9 79.8 66.5 61.5 71.3 72.1 71.1 73.3 66.1 67.8 69.7 69.4
        ELR-GCN 64.7 62.9 75.7 80.8 66.2 62.4 70.7 70.0 76.8 78.6 67.9 68.1 70.6 70.9
        SDT 72.7 66.1 79.5 81.8 76.3 74.6 71.8 69.7 76.7 80.1 67.1 68.6 73.9 74.0
        GS-MCC 60.2 65.4 86.2 81.2 75.7 70.9 71.7 70.8 83.2 81.4 66.0 71.0 73.8 73.9
        DeepMSI-MER 76.1 86.2 87.5 93.2 83.9 91.1 89.4 94.3 80.5 89.1 86.0 92.4 84.7 84.7
    """,
    "2": """
        Neutral Surprise Fear Sadness Joy Disgust Anger Average(w)
        bc-LSTM 78.4 73.8 46.8 47.7 3.8 5.4 22.4 25.1 51.6 51.3 4.3 5.2 36.7 38.4 57.5 55.9
        A-DMN 76.5 78.9 56.2 55.3 8.2 8.6 22.1 24.9 59.8 57.4 1.2 3.4 41.3 40.9 61.5 60.4
        DialogueGCN 70.3 72.1 42.4 41.7 3.0 2.8 20.9 21.8 44.7 44.2 6.5 6.7 39.0 36.5 54.9 54.7
        DialogueRNN 72.1 73.5 54.4 49.4 1.6 1.2 23.9 23.8 52.0 50.7 1.5 1.7 41.0 41.5 56.1 55.9
        RGAT 76.0 78.1 40.1 41.5 3.0 2.4 32.1 30.7 68.1 58.6 4.5 2.2 40.0 44.6 60.3 61.1
        LR-GCN 76.7 80.0 53.3 55.2 0.0 0.0 49.6 35.1 68.0 64.4 10.7 2.7 48.0 51.0 65.7 65.6
        DER-GCN 76.8 80.6 50.5 51.0 14.8 10.4 56.7 41.5 69.3 64.3 17.2 10.3 52.5 57.4 66.8 66.1
        ELR-GCN 80.2 83.6 36.8 35.4 19.2 13.1 80.2 83.6 76.5 69.7 55.6 13.0 52.1 57.7 68.7 69.9
        SDT 83.2 80.1 61.2 59.0 13.8 17.8 34.9 43.6 63.2 64.2 22.6 28.7 56.9 54.3 67.5 66.6
        GS-MCC 78.4 81.8 56.9 58.3 23.5 23.8 50.0 35.8 69.4 66.4 36.7 30.7 53.2 54.4 68.1 69.0
        DeepMSI-MER 86.2 92.6 68.9 81.5 13.8 22.1 38.7 55.2 64.1 78.0 22.9 35.2 52.1 68.3 69.4 67.9
    """,
    "3": """
        iemocap meld
        T 59.83 59.65 65.25 64.08
        A 47.30 46.09 46.59 31.97
        T+V 78.46 78.46 68.22 66.54
        A+V 57.99 56.49 48.03 31.20
        T+A+V 84.75 84.73 69.36 67.95
    """,
}


@pytest.mark.parametrize("name", DEEPMSI_MER)
def test_the_tables_of_deepmsi_mer_can_be_rebuilt_from_its_rows(name):
    rows = load(REPORTED, "deepmsi_mer").query("table == @name")
    header, *printed = [line.split() for line in DEEPMSI_MER[name].strip().splitlines()]
    if name == "3":
        rows = rows.assign(metric_as_printed=rows["corpus"] + " / " + rows["metric_as_printed"])
    columns = [f"{head} / {measure}" for head in header for measure in ("Acc.", "F1")]
    assert list(dict.fromkeys(rows["metric_as_printed"])) == columns
    wide = rows.pivot(index="row", columns="metric_as_printed", values="value").loc[rows["row"].unique(), columns]
    assert [list(row) for row in wide.itertuples(name=None)] == printed


def test_cells_of_deepmsi_mer_name_the_classes_of_their_columns():
    rows = load(REPORTED, "deepmsi_mer").query("table in ('1', '2')")
    iemocap = {"Happy": "happiness", "Sad": "sadness", "Angry": "anger", "Excited": "excitement", "Frustrated": "frustration"}
    heads = rows["metric_as_printed"].str.split(" / ", expand=True)
    wanted = heads[0].map(lambda head: "" if head == "Average(w)" else iemocap.get(head, head.lower()))
    assert wanted.tolist() == rows["class"].tolist()
    metrics = {("Acc.", False): "recall", ("F1", False): "f1", ("Acc.", True): "accuracy", ("F1", True): "weighted_f1"}
    assert [metrics[one, head == "Average(w)"] for head, one in heads.itertuples(index=False)] == rows["metric"].tolist()


def test_the_f1_of_deepmsi_mer_do_not_average_to_the_printed_one():
    """Arithmetic behind the notes of its averages: weighted by the support of the corpora, 91.5 and 79.9."""
    support = {"happiness": 648, "sadness": 1084, "anger": 1103, "excitement": 1041, "frustration": 1849}
    support = {"iemocap": support | {"neutral": 1708}, "meld": {"joy": 2308, "surprise": 1636, "anger": 1607, "sadness": 1002}}
    support["meld"] |= {"neutral": 6436, "disgust": 361, "fear": 358}
    rows = load(REPORTED, "deepmsi_mer").query("table in ('1', '2') and system == 'text_audio_video' and metric == 'f1'")
    averages = {
        corpus: sum(share * support[corpus][name] for name, share in zip(lines["class"], lines["number"], strict=True))
        / sum(support[corpus].values())
        for corpus, lines in rows.groupby("corpus")
    }
    assert averages == pytest.approx({"iemocap": 91.5, "meld": 79.9}, abs=0.05)
