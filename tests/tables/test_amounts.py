"""Verdicts of claims of an amount: spreads of systems, and confusions of two classes."""

import pytest
from support.judged_claims import FUSIONS, NAN, claim_of, compared

from merflow.tables.printed_claims import in_print
from merflow.tables.verdicts import judge


@pytest.mark.parametrize(
    ("share", "verdict"), [(0.34, "supported"), (0.3, "refuted"), (0.36, "refuted")]
)
def test_the_largest_confusion_is_compared_with_the_printed_one(make_scores, share, verdict):
    """Whichever system and direction it is of."""
    figures = {"confused": 0.5, "confused happiness as excitement": 0.1}
    low, high = ({**figures, "confused excitement as happiness": value} for value in (0.2, share))
    rule = {"kind": "confusion", "pair": ["happiness", "excitement"], "about": 33}
    claim = claim_of(**rule, systems=["text_lstm", "joint_cnn"])
    scores = make_scores({"text_lstm": low, "joint_cnn": high})
    judged = judge(compared(scores), claim, "clean")
    assert (judged.verdict, judged.effect) == (verdict, share)
    interval = " [".join((f"{100 * share:.2f}", f"{100 * share - 2:.2f}, {100 * share + 2:.2f}]"))
    assert judged.words.endswith(
        f" of joint_cnn (excitement as happiness): {interval}, the largest of 4, 33 claimed"
    )
    assert in_print(compared(), claim) == "stated in the text only: 33"
    missing = judge(compared(make_scores({"text_lstm": low})), claim, "clean")
    assert (missing.verdict, missing.words) == ("not run", "joint_cnn")
    for changes in ({"source": "demo"}, {"classes": ("anger", "happiness", "sadness", "neutral")}):
        other = compared(make_scores({"text_lstm": low, "joint_cnn": high}, **changes))
        assert judge(other, claim, "clean").verdict == "not compared"


@pytest.mark.parametrize(
    ("gap", "about", "verdict"),
    [(0.01, 4, "supported"), (0.01, 2, "inconclusive"), (0.05, 2, "refuted")],
)
def test_a_spread_of_at_most_some_points(make_scores, gap, about, verdict):
    rule = {"kind": "spread", "metric": "uar", "about": about, "at_most": True}
    claim = claim_of(**rule, systems=["joint_cnn", "text_lstm"])
    scores = make_scores({"joint_cnn": {"all": 0.5 + gap}, "text_lstm": {"all": 0.5}})
    judged = judge(compared(scores), claim, "clean")
    assert judged.verdict == verdict
    assert judged.words.endswith(f", at most {about}.0 claimed")


@pytest.mark.parametrize(
    ("best", "width", "verdict"),
    [
        (0.615, 0.01, "supported"),  # [0.5, 2.5] holds 1.5, and neither 0 nor 3
        (0.615, 0.02, "inconclusive"),  # [-0.5, 3.5]: too wide to tell
        (0.622, 0.01, "inconclusive"),  # [1.2, 3.2] holds 1.5, but twice as much too
        (0.605, 0.008, "refuted"),  # [-0.3, 1.3]
        (0.640, 0.01, "refuted"),  # [3, 5]
    ],
)
def test_a_spread_is_between_best_and_worst_of_our_means(emotions, best, width, verdict):
    values = dict.fromkeys(FUSIONS, 0.603) | {"deep_fusion": best, "early_fusion": 0.6}
    figures = {name: {"all": value} for name, value in values.items()}
    _, judged = emotions(figures, width=width)
    spread = judged(kind="spread", systems=FUSIONS, metric="uar", about=1.5)
    assert (spread.verdict, spread.margin) == (verdict, pytest.approx(best - 0.6))
    effect = f"{100 * (best - 0.6):+.2f} ["
    start = f"UAR of deep_fusion minus early_fusion, best and worst: {effect}"
    assert spread.words.startswith(start) and spread.words.endswith(", 1.5 claimed")


def test_a_spread_needs_all_its_systems_and_an_interval(emotions):
    rule = {"kind": "spread", "systems": FUSIONS, "metric": "uar", "about": 1.5}
    _, judged = emotions({"early_fusion": {"all": 0.6}, "late_fusion": {"all": 0.6}})
    absent = judged(**rule)
    assert (absent.verdict, absent.words) == ("not run", "deep_fusion, tensor_fusion")
    _, judged = emotions({name: {"all": 0.6} for name in FUSIONS}, width=NAN)
    assert judged(**rule).verdict == "inconclusive"


@pytest.mark.parametrize(
    ("best", "verdict"), [(0.603, "supported"), (0.61, "inconclusive"), (0.63, "refuted")]
)
def test_a_spread_may_be_at_most_a_number_of_points(emotions, best, verdict):
    rule = {"kind": "spread", "systems": FUSIONS[:2], "metric": "uar", "about": 1.5}
    systems = {"early_fusion": {"all": best}, "late_fusion": {"all": 0.6}}
    comparison, judged = emotions(systems, {"early_fusion": 61.5, "late_fusion": 60}, width=0.01)
    assert judged(**rule, at_most=True).verdict == verdict
    assert judged(**rule, at_most=True).words.endswith("at most 1.5 claimed")
    assert in_print(comparison, claim_of(**rule, at_most=True)) == "holds"
    less = claim_of(**(rule | {"about": 1.4, "at_most": True}))
    failure = "fails: 1.5 points (early_fusion 61.50, late_fusion 60.00)"
    assert in_print(comparison, less) == failure
