import pytest
from support import REPORTED

from merflow.tables.reported import load

MEL_CNN_BERT = {  # header and rows as the paper prints them
    "1": """
        Datasets / Categories / Happy / Angry / Disgust / Sadness / Surprise / Neutral / Fear / \
Percentage
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
def test_tables_of_mel_cnn_bert_can_be_rebuilt(name):
    rows = load(REPORTED, "mel_cnn_bert").query("table == @name")
    header, *printed = [
        line.strip().split(" / ") for line in MEL_CNN_BERT[name].strip().splitlines()
    ]
    cells = rows["value"].where(rows["metric"] != "part_share", rows["value"] + "%")
    wide = (
        rows.assign(value=cells)
        .pivot(index="row", columns="metric_as_printed", values="value")
        .loc[rows["row"].unique()]
    )
    wide = wide.fillna("—" if name == "1" else "–")
    assert set(wide.columns) == set(header[2:])
    assert [
        [*row.split(" / "), *cells] for row, *cells in wide[header[2:]].itertuples(name=None)
    ] == printed


def test_mel_cnn_bert_splits_every_class_at_four_fifths():
    """Table 1 sums to the text's numbers of splits and classes; train cells are floor(0.8 n)."""
    counts = load(REPORTED, "mel_cnn_bert").query(
        "metric == 'count' and unit in ('utterances', 'instances')"
    )
    table = counts.query("table == '1'")
    wide = table.pivot(index=["corpus", "class"], columns="split", values="number")
    assert len(wide) == 12
    assert (wide["train"] == (4 * wide.sum(axis=1)) // 5).all()
    said = counts.query("table == 'text' and row == 'samples'").set_index(["corpus", "split"])[
        "number"
    ]
    assert table.groupby(["corpus", "split"])["number"].sum().to_dict() == said.to_dict()
    samples = counts.query("row == 'emotional samples'").set_index("class")["number"]
    assert wide.loc["mosei"].sum(axis=1).to_dict() == samples.to_dict()


def test_mel_cnn_bert_has_three_tables():
    assert set(load(REPORTED, "mel_cnn_bert")["table"]) == {*MEL_CNN_BERT, "text"}
