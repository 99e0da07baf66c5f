import pytest
from support import REPORTED

from merflow.tables.reported import load

# Classes, then rows as the paper prints them: Acc. and F1 of each class, and of all, weighted.
DEEPMSI_MER = {
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
def test_tables_of_deepmsi_mer_can_be_rebuilt(name):
    rows = load(REPORTED, "deepmsi_mer").query("table == @name")
    header, *printed = [line.split() for line in DEEPMSI_MER[name].strip().splitlines()]
    if name == "3":
        rows = rows.assign(metric_as_printed=rows["corpus"] + " / " + rows["metric_as_printed"])
    columns = [f"{head} / {measure}" for head in header for measure in ("Acc.", "F1")]
    assert list(dict.fromkeys(rows["metric_as_printed"])) == columns
    wide = rows.pivot(index="row", columns="metric_as_printed", values="value").loc[
        rows["row"].unique(), columns
    ]
    assert [list(row) for row in wide.itertuples(name=None)] == printed


def test_cells_of_deepmsi_mer_name_the_classes_of_their_columns():
    rows = load(REPORTED, "deepmsi_mer").query("table in ('1', '2')")
    iemocap = {
        "Happy": "happiness",
        "Sad": "sadness",
        "Angry": "anger",
        "Excited": "excitement",
        "Frustrated": "frustration",
    }
    heads = rows["metric_as_printed"].str.split(" / ", expand=True)
    wanted = heads[0].map(
        lambda head: "" if head == "Average(w)" else iemocap.get(head, head.lower())
    )
    assert wanted.tolist() == rows["class"].tolist()
    metrics = {
        ("Acc.", False): "recall",
        ("F1", False): "f1",
        ("Acc.", True): "accuracy",
        ("F1", True): "weighted_f1",
    }
    assert [
        metrics[one, head == "Average(w)"] for head, one in heads.itertuples(index=False)
    ] == rows["metric"].tolist()


def test_deepmsi_mer_has_three_tables():
    assert set(load(REPORTED, "deepmsi_mer")["table"]) == {*DEEPMSI_MER, "text"}
