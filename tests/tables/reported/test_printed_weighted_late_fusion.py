import pytest
from support import REPORTED

from merflow.tables.reported import load

# Header and rows as the paper prints them, cells without a number included.
WEIGHTED_LATE_FUSION = {
    "1": """
        / Train / Validation / Test
        No of Samples / 9989 / 1112 / 4807
    """,
    "2": """
        Batch Size / Learning Rate / Weight Decay / Training Loss / Validation Loss / \
        Accuracy / F1 / Precision / Recall
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
        Batch Size / Learning Rate / Weight Decay / Training Loss / Validation Loss / \
        Accuracy / F1 / Precision / Recall
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
def test_tables_of_weighted_late_fusion_can_be_rebuilt(name):
    rows = load(REPORTED, "weighted_late_fusion").query("table == @name")
    header, *printed = [
        [cell.strip() for cell in line.split("/")]
        for line in WEIGHTED_LATE_FUSION[name].strip().splitlines()
    ]
    wide = (
        rows.pivot(index="row", columns="metric_as_printed", values="value")
        .fillna("")
        .loc[rows["row"].unique()]
    )
    wide = wide.T if name == "10" else wide
    # The rows of Tables 2 to 5 have no head in print; ours name the batch size.
    headed = name not in ("2", "3", "4", "5")
    columns = header[headed:]
    assert set(columns) == set(wide.columns)
    assert [
        [label, *cells][not headed :] for label, *cells in wide[columns].itertuples(name=None)
    ] == printed
    if not headed:
        assert list(rows["row"].unique()) == [
            f"batch size {name.split('_')[-1]}" for name in rows["system"].unique()
        ]


def test_weighted_late_fusion_has_ten_tables():
    assert set(load(REPORTED, "weighted_late_fusion")["table"]) == {*WEIGHTED_LATE_FUSION, "text"}


def test_table_10_of_weighted_late_fusion_mixes_accuracy_and_f1():
    """Arithmetic behind its notes: a cell is a rounded score of its system in earlier tables."""
    scores = (
        load(REPORTED, "weighted_late_fusion")
        .query("table in ('5', '8', '9')")
        .set_index(["system", "metric"])["share"]
    )
    mixed = load(REPORTED, "weighted_late_fusion").query("table == '10' and row != 'T+A+V'")
    assert list(mixed["metric"]) == ["accuracy", "accuracy", "weighted_f1"]
    for system, metric, share in mixed[["system", "metric", "share"]].itertuples(index=False):
        other = "weighted_f1" if metric == "accuracy" else "accuracy"
        assert abs(share - scores[system, metric]) < 0.005 <= abs(share - scores[system, other])
