from dataclasses import replace
from statistics import fmean

import pytest
from support import REPORTED
from support.judged_claims import FUSIONS, NAN, PRINTED, claim_of, compared
from support.score_tables import comparison_of, no_scores

from merflow.tables.claims import load_claims
from merflow.tables.printed_claims import in_print
from merflow.tables.reported import load
from merflow.tables.verdicts import headlines, judge, table

CLAIMS = {claim.id: claim for claim in load_claims(REPORTED, "joint_cnn", PRINTED)}


def order(better, than, *metrics):
    return claim_of(kind="order", better=better, than=than, metrics=list(metrics or ["uar"]))


@pytest.mark.parametrize(
    ("better", "verdict", "evidence"),
    [
        (0.53, "supported", "+3.00 [+1.00, +5.00], p 0.040, corrected 0.045"),
        (0.51, "inconclusive", "+1.00 [−1.00, +3.00], p 0.040, corrected 0.045"),
        (0.47, "refuted", "−3.00 [−5.00, −1.00], p 0.040, corrected 0.045"),
    ],
)
@pytest.mark.parametrize("stored", [["joint_cnn", "text_lstm"], ["text_lstm", "joint_cnn"]])
def test_the_paired_interval_decides_between_two_of_ours(
    make_scores, better, verdict, evidence, stored
):
    values = {"joint_cnn": better, "text_lstm": 0.5}
    comparison = compared(make_scores({name: {"all": values[name]} for name in stored}))
    judged = judge(comparison, order(["joint_cnn"], ["text_lstm"]), "clean")
    summary, decided = judged.words.split("; decided by UAR of joint_cnn minus text_lstm: ")
    assert (judged.verdict, decided) == (verdict, evidence)
    assert summary == f"{int(better > 0.52)} of 1 comparisons hold"
    assert judged.margin == pytest.approx(better - 0.5)


# TFN prints 55.9, intervals are ± 2
@pytest.mark.parametrize(
    ("ours", "verdict", "swapped"),
    [
        (0.59, "supported", "refuted"),
        (0.55, "inconclusive", "inconclusive"),
        (0.53, "refuted", "supported"),
    ],
)
def test_our_interval_decides_against_a_cited_system(make_scores, ours, verdict, swapped):
    comparison = compared(make_scores({"late_product": {"all": ours}}))
    judged = judge(comparison, order(["late_product"], ["TFN"]), "clean")
    assert judged.verdict == verdict
    value, low, high = (100 * ours + points for points in (0, -2, 2))
    limits = f"{value:.2f} [{low:.2f}, {high:.2f}], TFN has 55.9 in print"
    assert judged.words.endswith(f"decided by UAR of late_product: {limits}")
    reverse = judge(comparison, order(["TFN"], ["late_product"]), "clean")
    assert (reverse.verdict, reverse.margin) == (swapped, pytest.approx(-judged.margin))


@pytest.mark.parametrize(
    ("p_corrected", "alone", "among_several"),
    [(0.049, "refuted", "refuted"), (0.06, "refuted", "inconclusive")],
)
def test_among_several_a_refuted_pair_needs_a_corrected_p(
    make_scores, p_corrected, alone, among_several
):
    systems = {"joint_cnn": {"all": 0.5}, "text_lstm": {"all": 0.54}, "speech_cnn": {"all": 0.4}}
    scores = make_scores(systems)
    with_p = scores.differences.assign(p_corrected=p_corrected)
    comparison = compared(replace(scores, differences=with_p))
    one = judge(comparison, order(["joint_cnn"], ["text_lstm"]), "clean")
    two = judge(comparison, order(["joint_cnn"], ["text_lstm", "speech_cnn"]), "clean")
    assert (one.verdict, two.verdict) == (alone, among_several)
    # All pairs of a supported claim must hold: nothing is corrected.
    better = judge(comparison, order(["text_lstm"], ["joint_cnn", "speech_cnn"]), "clean")
    assert better.verdict == "supported"
    # p is not about a number of points
    by_points = claim_of(
        kind="order", better=["joint_cnn"], than=["text_lstm", "speech_cnn"], metrics=["uar"], by=20
    )
    assert judge(comparison, by_points, "clean").verdict == "refuted"


def test_demo_scores_are_not_compared_with_printed_ones(make_scores):
    systems = {"late_product": {"all": 0.9}, "late_weighted": {"all": 0.5}}
    comparison = compared(make_scores(systems, source="demo"))
    judged = judge(comparison, CLAIMS["product_over_mfn"], "clean")
    reason = "scores of a demo corpus are not compared with printed ones"
    assert (judged.verdict, judged.words) == ("not compared", reason)
    ours = judge(comparison, order(["late_product"], ["late_weighted"]), "clean")
    assert ours.verdict == "supported"


def test_other_classes_than_the_papers_are_not_compared(make_scores):
    four = ("anger", "happiness", "sadness", "neutral")
    systems = {"late_product": {"all": 0.9}, "late_weighted": {"all": 0.5}}
    comparison = compared(make_scores(systems, classes=four))
    names = ("product_over_mfn", "happiness_worst_sadness_best", "happiness_excitement_confused")
    for name in names:
        judged = judge(comparison, CLAIMS[name], "clean")
        reason = "ours have another task than the paper: 4 classes instead of 6"
        assert (judged.verdict, judged.words) == ("not compared", reason)
    ours = judge(comparison, order(["late_product"], ["late_weighted"]), "clean")
    assert ours.verdict == "supported"


def test_a_headline_of_claims_names_the_demo_corpus(make_scores):
    comparison = compared(make_scores({"late_product": {"all": 0.9}}, source="demo"))
    lines = list(headlines(comparison, table(comparison, [CLAIMS["product_over_mfn"]])))
    assert lines == ["Claims of the paper on the demo corpus, clean: 1 not compared."]


def test_a_claim_is_as_good_as_its_worst_pair(make_scores):
    scores = make_scores(
        {
            "joint_cnn": {"uar": 0.6, "accuracy": 0.51},
            "text_lstm": {"all": 0.5},
            "speech_cnn": {"uar": 0.5, "accuracy": 0.6},
        }
    )
    comparison, both = compared(scores), ["text_lstm", "speech_cnn"]

    def judged(than, *metrics):
        return judge(comparison, order(["joint_cnn"], than, *metrics), "clean")

    two = judged(["text_lstm"], "uar", "accuracy")
    assert (two.verdict, two.words[:24]) == ("inconclusive", "1 of 2 comparisons hold;")
    assert "accuracy of joint_cnn minus text_lstm: +1.00" in two.words
    four = judged(both, "uar", "accuracy")
    evidence = "decided by accuracy of joint_cnn minus speech_cnn: −9.00"
    assert four.verdict == "refuted"
    assert four.words.startswith(f"2 of 4 comparisons hold, 1 refuted; {evidence}")
    supported = judged(both)
    assert (supported.verdict, supported.words[:24]) == ("supported", "2 of 2 comparisons hold;")


def test_systems_that_were_not_run_are_named(make_scores):
    comparison = compared(make_scores({"joint_cnn": {"all": 0.6}, "text_lstm": {"all": 0.5}}))
    absent = judge(comparison, CLAIMS["late_of_single_over_early"], "clean")
    names = "unimodal_average, unimodal_weighted, unimodal_product"
    assert (absent.verdict, absent.words) == ("not run", names)
    some = judge(comparison, CLAIMS["early_over_single"], "clean")
    assert (some.verdict, some.words) == ("inconclusive", "3 of 6 comparisons hold, 3 not run")
    assert judge(comparison, CLAIMS["early_over_single"], "as_published").verdict == "not run"


EXTREMES = [
    (
        *(0.30, 0.75, "supported", "9 of 9 comparisons hold"),
        "anger 50.00 [48.00, 52.00], happiness 30.00 [28.00, 32.00]",
    ),
    (
        *(0.30, 0.53, "inconclusive", "5 of 9 comparisons hold"),
        "sadness 53.00 [51.00, 55.00], anger 50.00 [48.00, 52.00]",
    ),
    (
        *(0.60, 0.70, "refuted", "5 of 9 comparisons hold, 4 refuted"),
        "anger 50.00 [48.00, 52.00], happiness 60.00 ",
    ),
]


@pytest.mark.parametrize(("happiness", "sadness", "verdict", "summary", "evidence"), EXTREMES)
def test_extreme_classes_need_intervals_that_do_not_overlap(
    make_scores, happiness, sadness, verdict, summary, evidence
):
    figures = {"recall": 0.5, "recall happiness": happiness, "recall sadness": sadness}
    extremes = {"lowest": "happiness", "highest": "sadness"}
    claim = claim_of(kind="class_extreme", metric="recall", systems=["joint_cnn"], **extremes)
    judged = judge(compared(make_scores({"joint_cnn": figures})), claim, "clean")
    assert judged.verdict == verdict
    assert judged.words.startswith(f"{summary}; decided by recall of joint_cnn: {evidence}")


@pytest.mark.parametrize(
    ("figures", "verdict"),
    [
        ({"confused happiness as excitement": 0.3}, "supported"),
        ({"confused excitement as happiness": 0.3}, "supported"),  # either direction counts
        (
            {"confused excitement as happiness": 0.3, "confused neutral as anger": 0.29},
            "inconclusive",
        ),
        ({"confused excitement as happiness": 0.3, "confused neutral as anger": 0.5}, "refuted"),
    ],
)
def test_the_most_confused_pair_counts_in_both_directions(make_scores, figures, verdict):
    pair = ["happiness", "excitement"]
    claim = claim_of(kind="most_confused", pair=pair, systems=["joint_cnn"])
    scores = make_scores({"joint_cnn": {"confused": 0.1, **figures}})
    judged = judge(compared(scores), claim, "clean")
    assert judged.verdict == verdict
    # 6 x 5 ordered pairs without the two of the claim
    assert " of 28 comparisons hold" in judged.words


# intervals are ± 2


def test_a_claim_that_nothing_decides_gives_its_reason(make_scores):
    claim = claim_of(kind="nothing", reason="No number is printed.")
    judged = judge(compared(make_scores({"joint_cnn": {"all": 0.5}})), claim, "clean")
    assert (judged.verdict, judged.words) == ("not compared", "No number is printed.")
    assert in_print(compared(), claim) == "not printed"


# differences have intervals of ± 2


def test_all_systems_are_the_papers_own_printed_ones(make_scores):
    fusions = ("late_average", "late_weighted", "late_product", "unimodal_average")
    systems = ("speech_cnn", "text_lstm", "joint_cnn", *fusions)
    figures = {"recall": 0.5, "recall happiness": 0.3, "recall sadness": 0.7}
    comparison = compared(make_scores(dict.fromkeys(systems, figures)))
    judged = judge(comparison, CLAIMS["happiness_worst_sadness_best"], "clean")
    # 6 systems x 9 pairs of classes
    assert (judged.verdict, judged.words[:26]) == ("supported", "54 of 54 comparisons hold;")


def test_one_dialogue_has_no_interval_and_decides_nothing(make_scores):
    scores = make_scores({"joint_cnn": {"all": 0.9}, "text_lstm": {"all": 0.1}}, width=NAN)
    judged = judge(compared(scores), order(["joint_cnn"], ["text_lstm"]), "clean")
    assert judged.verdict == "inconclusive"


def test_systems_without_a_common_utterance_are_not_compared(make_scores):
    scores = make_scores({"joint_cnn": {"all": 0.9}, "text_lstm": {"all": 0.1}})
    comparison = compared(replace(scores, differences=scores.differences.iloc[:0]))
    judged = judge(comparison, order(["joint_cnn"], ["text_lstm"]), "clean")
    reason = "joint_cnn and text_lstm have no utterance in common"
    assert (judged.verdict, judged.words) == ("not compared", reason)


def test_claims_are_judged_by_the_papers_own_numbers():
    verdicts = {name: in_print(compared(), claim) for name, claim in CLAIMS.items()}
    assert {name for name, words in verdicts.items() if words == "holds"} == {
        *("fusion_over_single", "early_over_single", "late_over_early", "weighted_best_uar"),
        *("product_best_accuracy", "proposed_over_tfn", "product_over_mfn", "product_below_icon"),
    }
    below = "late_weighted 59.6 < "
    assert verdicts["proposed_over_clstm"] == f"fails: {below}cLSTM 59.8 (WA)"
    both = f"fails: {below}MFN 60.1 (WA), {below}MFN 59.9 (F1)"
    assert verdicts["proposed_over_baselines"] == both
    not_printed = (
        *("late_of_single_over_early", "happiness_worst_sadness_best"),
        *("happiness_excitement_confused", "speech_lstm_similar"),
        *("cnn_better_on_fusion", "six_classes_harder", "four_classes"),
    )
    assert {verdicts[name] for name in not_printed} == {"not printed"}
    assert verdicts["confusion_of_a_third"] == "stated in the text only: 33"


def test_equal_printed_numbers_fail_and_missing_ones_count():
    claim = order(["late_weighted", "unimodal_product"], ["late_weighted"], "accuracy")
    equal = "late_weighted 59.6 = late_weighted 59.6 (WA)"
    assert in_print(compared(), claim) == f"fails: {equal} (1 of 2 comparisons are printed)"


def test_the_table_has_a_row_per_claim_in_the_papers_order(make_scores):
    systems = {name: {"all": 0.5} for name in ("speech_cnn", "text_lstm", "joint_cnn")}
    comparison = compared(make_scores(systems), make_scores(systems, protocol="as_published"))
    claims = table(comparison, list(CLAIMS.values()))
    assert claims.frame["id"].tolist() == list(CLAIMS)
    quote = "“Early fusion resulted in improved measures over the uni-modal systems.”"
    row = list(CLAIMS).index("early_over_single")
    claim, in_paper, printed, *verdicts = claims.cells[row]
    assert claim == "Early fusion beats both single-modality systems."
    assert (in_paper, printed) == (f"{quote} (5.4 Results, sentence 5)", "holds")
    assert verdicts[0] == verdicts[2] == "inconclusive"
    assert list(headlines(comparison, claims)) == [
        f"Claims of the paper, {name}: 4 inconclusive, 12 not run, 2 not compared."
        for name in ("as published", "clean")
    ]


@pytest.mark.parametrize(
    ("happy", "verdict"), [(0.63, "supported"), (0.61, "inconclusive"), (0.57, "refuted")]
)
def test_an_order_may_be_of_single_emotions(emotions, happy, verdict):
    tensor = {"all": 0.5, "uar happy": happy, "uar fear": 0.7}
    _, judged = emotions({"tensor_fusion": tensor, "early_fusion": {"all": 0.6}})
    systems = {"better": ["tensor_fusion"], "than": ["early_fusion"]}
    rule = {"kind": "order", "metrics": ["uar"], **systems}
    both = judged(**rule, classes=["happy", "fear"])
    assert both.verdict == verdict
    if verdict != "supported":
        effect = f"{100 * (happy - 0.6):+.2f}".replace("-", "−")
        assert f"UAR of tensor_fusion (happy) minus early_fusion: {effect} [" in both.words
    # The mean over the emotions is a score of its own.
    assert judged(**rule).verdict == "refuted"
    n_held = 1 + (verdict == "supported")
    assert judged(**rule, classes="all").words.startswith(f"{n_held} of 6 comparisons hold")


def test_class_weights_are_judged_system_by_system(emotions):
    figures = {
        "acoustic": {"all": 0.6},
        "acoustic_unweighted": {"all": 0.5},
        "visual": {"all": 0.6, "uar sad": 0.5},
        "visual_unweighted": {"all": 0.55},
    }
    _, judged = emotions(figures)
    rule = {"kind": "class_weights", "metrics": ["uar"]}
    mean = judged(**rule, systems=["acoustic", "visual"])
    assert (mean.verdict, mean.margin) == ("supported", pytest.approx(0.05))
    evidence = (
        "UAR of visual minus visual_unweighted: +5.00 [+3.00, +7.00], p 0.040, corrected 0.045"
    )
    assert mean.words.endswith(f"decided by {evidence}")
    each = judged(**rule, systems=["acoustic", "visual"], classes="all")
    assert (each.verdict, each.words[:36]) == ("refuted", "11 of 12 comparisons hold, 1 refuted")
    every = judged(**rule, systems="all")
    assert (every.verdict, every.words) == ("inconclusive", "2 of 7 comparisons hold, 5 not run")
    absent = judged(**rule, systems=["language"])
    assert (absent.verdict, absent.words) == ("not run", "language, language_unweighted")


def test_a_number_that_our_source_lacks_decides_nothing(emotions):
    comparison, judged = emotions({"early_fusion": {"all": 0.9}})
    cited = "Zadeh et al., 2018"
    rule = {"kind": "order", "better": ["early_fusion"], "than": [cited], "metrics": ["uar"]}
    mean = judged(**rule)
    reason = f"the printed UAR of {cited} is not in the source"
    assert (mean.verdict, mean.words) == ("not compared", reason)
    sad = judged(**rule, classes=["sad"])
    assert sad.words == f"the printed UAR of {cited} (sad) is not in the source"
    assert in_print(comparison, claim_of(**rule)) == "not in the source"
    # The paper prints no system without weights.
    weights = claim_of(kind="class_weights", systems=["early_fusion"], metrics=["uar"])
    assert in_print(comparison, weights) == "not printed"


# 60 in print, 2 above it claimed, intervals are ± 2
@pytest.mark.parametrize(
    ("ours", "verdict"), [(0.645, "supported"), (0.625, "inconclusive"), (0.59, "refuted")]
)
def test_an_order_may_claim_a_number_of_points(emotions, ours, verdict):
    cited = "Zadeh et al., 2018 (acoustic)"
    rule = {"kind": "order", "better": ["acoustic"], "metrics": ["uar"], "by": 2}
    _, judged = emotions({"acoustic": {"all": ours}, "visual": {"all": 0.6}}, {cited: 60.0})
    against_cited = judged(**rule, than=[cited])
    assert against_cited.verdict == verdict
    assert judged(**rule, than=["visual"]).verdict == verdict
    assert against_cited.margin == pytest.approx(ours - 0.62)


def test_in_turn_compares_the_first_with_the_first(emotions):
    values = {"acoustic": 0.6, "visual": 0.5, "language": 0.55, "early_fusion": 0.4}
    _, judged = emotions({name: {"all": value} for name, value in values.items()})
    systems = {"better": ["acoustic", "visual"], "than": ["language", "early_fusion"]}
    rule = {"kind": "order", "metrics": ["uar"], **systems}
    assert judged(**rule).verdict == "refuted"
    assert judged(**rule, in_turn=True).words.startswith("2 of 2 comparisons hold")


def test_printed_numbers_decide_on_points_and_spreads(emotions):
    cited = "Zadeh et al., 2018"
    printed = dict(zip(FUSIONS, (63.5, 62.46, 62.0, 63.4), strict=True)) | {cited: 61.0}
    comparison, _ = emotions({}, printed)
    gain = {"kind": "order", "better": FUSIONS[:2], "than": [cited], "metrics": ["uar"]}
    assert in_print(comparison, claim_of(**gain)) == "holds"
    failure = f"fails: late_fusion 62.46 not enough above {cited} 61.00 (UA)"
    assert in_print(comparison, claim_of(**gain, by=2)) == failure
    spread = {"kind": "spread", "systems": FUSIONS, "metric": "uar"}
    assert in_print(comparison, claim_of(**spread, about=1.5)) == "holds"
    failure = "fails: 1.5 points, not 1.2 (early_fusion 63.50, deep_fusion 62.00)"
    assert in_print(comparison, claim_of(**spread, about=1.2)) == failure
    comparison, _ = emotions({}, {"early_fusion": 63.5})
    assert in_print(comparison, claim_of(**spread, about=1.5)) == "not in the source"


LOSSES = [
    # By chance in 2 of 70 orders of 4 and 4 runs.
    ((1.3, 1.4, 1.5, 1.6), (1.0, 1.1, 1.2, 1.29), "supported"),
    ((1.0, 1.1, 1.2, 1.29), (1.3, 1.4, 1.5, 1.6), "refuted"),
    ((1.25, 1.4, 1.5, 1.6), (1.0, 1.1, 1.2, 1.29), "inconclusive"),
    # By chance in 2 of 20 orders: too few runs.
    ((1.4, 1.5, 1.6), (1.0, 1.1, 1.2), "inconclusive"),
    ((1.4,), (1.0,), "inconclusive"),
]


@pytest.mark.parametrize(("high", "low", "verdict"), LOSSES)
def test_losses_are_compared_run_by_run(make_scores, high, low, verdict):
    paper, losses = "weighted_late_fusion", {"text_bert_8": high, "text_bert_16": low}
    figures = {name: {"all": 0.5} for name in losses}
    scores = make_scores(figures, paper=paper, corpus="meld", trained=losses)
    comparison = comparison_of(paper, "meld", load(REPORTED, paper), scores)
    claim = order(["text_bert_8"], ["text_bert_16"], "loss")
    judged = judge(comparison, claim, "clean")
    assert (judged.verdict, judged.margin) == (verdict, pytest.approx(fmean(high) - fmean(low)))
    if verdict == "supported":
        ranges = "1.3000 to 1.6000, of text_bert_16: 1.0000 to 1.2900; 4 and 4 runs"
        evidence = f"decided by loss on dev of text_bert_8: {ranges}"
        assert judged.words == f"1 of 1 comparisons hold; {evidence}"
    assert judged.words.endswith(", too few to tell") == (len(high) < 4)
    assert in_print(comparison, claim) == "holds"  # 1.1372 and 1.1007
    swapped = order(["text_bert_16"], ["text_bert_8"], "loss")
    below = "text_bert_16 1.1007 < text_bert_8 1.1372 (Validation Loss)"
    assert in_print(comparison, swapped) == f"fails: {below}"


# intervals are ± 2, the baseline has 10
@pytest.mark.parametrize(
    ("ours", "verdict"), [(0.15, "supported"), (0.12, "inconclusive"), (0.05, "refuted")]
)
def test_a_baseline_is_beaten_where_intervals_are_apart(make_scores, ours, verdict):
    comparison = compared(make_scores({"joint_cnn": {"all": ours}}))
    claim = order(["joint_cnn"], ["majority"])
    judged = judge(comparison, claim, "clean")
    low, high = 100 * ours - 2, 100 * ours + 2
    limits = f"{100 * ours:.2f} [{low:.2f}, {high:.2f}], of majority: 10.00 [8.00, 12.00]"
    assert (judged.verdict, judged.words.count("UAR of joint_cnn: " + limits)) == (verdict, 1)
    assert in_print(comparison, claim) == "not printed"
    absent = judge(compared(), claim, "clean")
    assert absent.verdict == "not run"


# at most 1.5 claimed, intervals are ± 1


def test_epochs_are_compared_seed_by_seed(make_scores):
    scores = make_scores({"text_lstm": {"all": 0.5}})
    row = {"paper": "joint_cnn", "corpus": "iemocap", "protocol": "clean", "source": "official"}
    row |= {"system": "text_lstm", "metric": "epoch_score", "split": "dev", "n": 50}
    row |= {"n_classes": 6, "multi_label": False}
    rows = [
        row | {"class": name, "value": value + seed / 100, "seed": seed}
        for name, value in (("first epoch", 0.3), ("last epoch", 0.5))
        for seed in (1, 2, 3, 4)
    ]
    rows += [row | {"class": name, "value": 0.4} for name in ("first epoch", "last epoch")]
    comparison = compared(scores, no_scores(scores=rows))
    judged = judge(comparison, claim_of(kind="over_epochs", systems=["text_lstm"]), "clean")
    assert judged.verdict == "supported"
    last, first = "(last epoch): 51.00 to 54.00", "(first epoch): 31.00 to 34.00"
    evidence = f"weighted F1 on dev of text_lstm {last}, of text_lstm {first}; 4 and 4 runs"
    assert judged.words == f"1 of 1 comparisons hold; decided by {evidence}"


def test_evidence_on_accuracy_names_both_tests(make_scores):
    scores = make_scores({"joint_cnn": {"all": 0.53}, "text_lstm": {"all": 0.5}})
    judged = judge(compared(scores), order(["joint_cnn"], ["text_lstm"], "accuracy"), "clean")
    effect = "+3.00 [+1.00, +5.00], p 0.040, corrected 0.045, McNemar's p 0.030 to 0.200"
    assert judged.words.endswith(effect)
