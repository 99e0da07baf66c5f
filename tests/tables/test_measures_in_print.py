"""Printed numbers of one column that are of different measures: mel_cnn_bert."""

import pytest
from support import REPORTED
from support.score_tables import comparison_of

from merflow.corpora.labels import CLASSES
from merflow.tables.claims import load_claims
from merflow.tables.paper_tables import tables
from merflow.tables.printed_claims import in_print
from merflow.tables.reported import load
from merflow.tables.verdicts import judge

PAPER = "mel_cnn_bert"
PRINTED = load(REPORTED, PAPER)
CLAIMS = {claim.id: claim for claim in load_claims(REPORTED, PAPER, PRINTED)}
WITHOUT_FEAR = tuple(name for name in CLASSES["meld"] if name != "fear")


@pytest.fixture
def compared(make_scores):
    """A comparison on a corpus, with these figures of the fusion under as_published."""

    def make(corpus, multi_label=False, **figures):
        scores = make_scores(
            {"fusion": figures, "speech": {"all": 0.4}},
            paper=PAPER,
            corpus=corpus,
            protocol="as_published",
            classes=WITHOUT_FEAR if corpus == "meld" else None,
            multi_label=multi_label,
        )
        return comparison_of(PAPER, corpus, PRINTED, scores)

    return make


def test_different_measures_are_not_compared(compared):
    claim, comparison = CLAIMS["meld_accuracy_over_cited"], compared("meld", all=0.9)
    judged = judge(comparison, claim, "as_published")
    assert judged.verdict == "not compared"
    reason = "different measures: WA of Guo et al [43] is accuracy, ours balanced accuracy"
    assert judged.words.startswith(reason)
    assert in_print(comparison, claim) == "different measures"
    f1 = CLAIMS["meld_f1_over_cited"]
    assert judge(comparison, f1, "as_published").verdict == "supported"
    assert in_print(comparison, f1) == "holds"


@pytest.mark.parametrize(
    ("accuracy", "verdict", "words"),
    [
        (0.90, "inconclusive", "2 of 3 comparisons hold, 1 not compared"),
        (0.70, "refuted", "0 of 3 comparisons hold, 2 refuted, 1 not compared"),
    ],
)
def test_a_measure_that_is_not_stated_decides_nothing(compared, accuracy, verdict, words):
    comparison = compared("mosei", one_vs_rest_accuracy=accuracy)
    judged = judge(comparison, CLAIMS["mosei_accuracy_over_cited"], "as_published")
    assert (judged.verdict, judged.words[: len(words)]) == (verdict, words)
    printed = in_print(comparison, CLAIMS["mosei_accuracy_over_cited"])
    assert printed == "holds (2 of 3 comparisons can be judged; 1 measure not stated)"
    assert in_print(comparison, CLAIMS["mosei_f1_over_cited"]) == "measure not stated"
    f1 = judge(comparison, CLAIMS["mosei_f1_over_cited"], "as_published")
    assert f1.verdict == "not compared"
    assert f1.words.startswith("the measure of one-vs-rest weighted F1 of Li et al [39] is not")


def shown(comparison, number):
    """A table of the paper, and its row of the fusion."""
    (table,) = [each for each in tables(comparison) if f"table-{number}-" in each.name]
    return table, table.frame.set_index("system").loc["fusion"]


def test_the_table_shows_the_papers_reading_and_the_usual_one(compared):
    figures = {"one_vs_rest_accuracy": 0.88, "accuracy": 0.64, "macro_f1": 0.5}
    table, row = shown(compared("mosei", **figures), 2)
    assert row[["Accuracy", "Accuracy_accuracy", "F1_macro_f1"]].tolist() == [0.88, 0.64, 0.5]
    assert row["Accuracy_difference"] == pytest.approx(0.88 - 0.884)
    assert [column.group for column in table.columns if column.header == "ours"] == [
        "Accuracy (one-vs-rest accuracy)",
        "F1 (one-vs-rest weighted F1)",
        *("accuracy", "weighted F1", "macro F1"),
    ]


def test_weighted_accuracy_stands_beside_uar_and_accuracy(compared):
    figures = {"balanced_accuracy": 0.7, "uar": 0.5, "accuracy": 0.6}
    _, row = shown(compared("meld", **figures), 3)
    keys = ["WA", "WA_uar", "WA_accuracy", "WA_balanced_accuracy"]
    assert row[keys].tolist() == [0.7, 0.5, 0.6, 0.7]


def test_one_vs_rest_is_the_mean_over_classes_in_multi_label(compared):
    comparison = compared("mosei", multi_label=True, accuracy=0.8, weighted_f1=0.7)
    measured = comparison.measured
    values = [
        measured.mean("fusion", "as_published", metric).value
        for metric in ("one_vs_rest_accuracy", "one_vs_rest_weighted_f1")
    ]
    assert values == [0.8, 0.7]
    difference = measured.difference("fusion", "speech", "as_published", "one_vs_rest_accuracy")
    assert difference.value == pytest.approx(0.4)
    table, _ = shown(comparison, 2)
    assert "one-vs-rest accuracy = (TP + TN) / n; one-vs-rest" in " ".join(table.notes)


@pytest.mark.parametrize("name", ["best_n", "fusion_over_single", "attention_over_concatenation"])
def test_claims_go_by_the_measures_of_the_corpus(name):
    rules = {corpus: CLAIMS[f"{corpus}_{name}"].decided_by for corpus in ("mosei", "meld")}
    assert rules["mosei"].metrics == ["one_vs_rest_accuracy", "one_vs_rest_weighted_f1"]
    assert rules["meld"].metrics == ["balanced_accuracy", "weighted_f1"]
