from statistics import fmean

import pandas as pd
import pytest
from support import REPORTED

from merflow import artifacts
from merflow.tables.claims import Claim, load_claims
from merflow.tables.comparison import Comparison
from merflow.tables.reported import load
from merflow.tables.verdicts import headlines, in_print, judge, table

PRINTED = load(REPORTED, "joint_cnn")
FUSIONS = ["early_fusion", "late_fusion", "deep_fusion", "tensor_fusion"]
CLAIMS = {claim.id: claim for claim in load_claims(REPORTED, "joint_cnn", PRINTED)}


def view_of(*frames):
    ours = pd.concat(frames) if frames else pd.DataFrame(columns=artifacts.SCORES.names)
    return Comparison("joint_cnn", "iemocap", PRINTED, ours, 0.95)


@pytest.fixture
def emotions(make_scores):
    """A view of class_weight_lstm of some figures, and how it judges a rule; printed values by system, if any."""

    def make(systems, printed=None, **changes):
        table = load(REPORTED, "class_weight_lstm")
        for system, percent in (printed or {}).items():
            cell = (table["system"] == system) & (table["class"] == "") & (table["metric"] == "uar")
            table.loc[cell, ["value", "number", "share", "decimals"]] = [
                str(percent),
                percent,
                percent / 100,
                2,
            ]
        ours = make_scores(systems, paper="class_weight_lstm", corpus="mosei", **changes)
        view = Comparison("class_weight_lstm", "mosei", table, ours, 0.95)
        return view, lambda **rule: judge(view, claim_of(**rule), "clean")

    return make


def claim_of(**rule):
    about = {"id": "c", "claim": "C.", "quote": "C.", "where": "5", "corpora": ["iemocap"]}
    return Claim.model_validate(about | {"decided_by": rule})


def order(better, than, *metrics):
    return claim_of(kind="order", better=better, than=than, metrics=list(metrics or ["uar"]))


@pytest.mark.parametrize(
    ("better", "verdict", "evidence"),
    [
        (0.53, "supported", "+3.00 [+1.00, +5.00], p 0.040"),
        (0.51, "inconclusive", "+1.00 [−1.00, +3.00], p 0.040"),
        (0.47, "refuted", "−3.00 [−5.00, −1.00], p 0.040"),
    ],
)
@pytest.mark.parametrize("stored", ["joint_cnn - text_lstm", "text_lstm - joint_cnn"])
def test_between_two_of_ours_the_paired_interval_decides(
    make_scores, better, verdict, evidence, stored
):
    values = {"joint_cnn": better, "text_lstm": 0.5}
    scores = make_scores({name: {"all": values[name]} for name in stored.split(" - ")})
    judged = judge(view_of(scores), order(["joint_cnn"], ["text_lstm"]), "clean")
    told, decided = judged.words.split("; decided by UAR of joint_cnn minus that of text_lstm: ")
    assert (judged.verdict, told, decided) == (
        verdict,
        f"{int(better > 0.52)} of 1 comparisons hold",
        evidence,
    )
    assert judged.margin == pytest.approx(better - 0.5)


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [
        (0.59, "supported"),
        (0.55, "inconclusive"),
        (0.53, "refuted"),
    ],  # TFN prints 55.9, intervals are ± 2
)
def test_against_a_cited_system_our_interval_and_the_printed_number_decide(
    make_scores, ours, verdict
):
    view = view_of(make_scores({"late_product": {"all": ours}}))
    judged = judge(view, order(["late_product"], ["TFN"]), "clean")
    assert judged.verdict == verdict
    assert judged.words.endswith(
        f"decided by UAR of late_product: {100 * ours:.2f} [{100 * ours - 2:.2f}, {100 * ours + 2:.2f}], TFN has 55.9 in print"
    )
    turned = judge(view, order(["TFN"], ["late_product"]), "clean")
    assert (
        turned.verdict
        == {"supported": "refuted", "refuted": "supported", "inconclusive": "inconclusive"}[verdict]
    )
    assert turned.margin == pytest.approx(-judged.margin)


def test_figures_of_a_demo_corpus_are_never_set_against_printed_ones(make_scores):
    view = view_of(
        make_scores({"late_product": {"all": 0.9}, "late_weighted": {"all": 0.5}}, source="demo")
    )
    judged = judge(view, CLAIMS["product_over_mfn"], "clean")
    assert (judged.verdict, judged.words) == (
        "not compared",
        "figures from a demo corpus are not set against printed ones",
    )
    assert judge(view, order(["late_product"], ["late_weighted"]), "clean").verdict == "supported"


def test_other_classes_than_the_papers_are_not_compared(make_scores):
    four = ("anger", "happiness", "sadness", "neutral")
    view = view_of(
        make_scores({"late_product": {"all": 0.9}, "late_weighted": {"all": 0.5}}, classes=four)
    )
    for name in (
        "product_over_mfn",
        "happiness_worst_sadness_best",
        "happiness_excitement_confused",
    ):
        judged = judge(view, CLAIMS[name], "clean")
        assert (judged.verdict, judged.words) == (
            "not compared",
            "ours answer another question than the paper: 4 classes instead of 6",
        )
    assert judge(view, order(["late_product"], ["late_weighted"]), "clean").verdict == "supported"


def test_a_headline_of_claims_names_the_demo_corpus(make_scores):
    view = view_of(make_scores({"late_product": {"all": 0.9}}, source="demo"))
    told = list(headlines(view, table(view, [CLAIMS["product_over_mfn"]])))
    assert told == ["Claims of the paper on the demo corpus, clean: 1 not compared."]


def test_a_claim_is_as_good_as_its_worst_pair(make_scores):
    scores = make_scores(
        {
            "joint_cnn": {"uar": 0.6, "accuracy": 0.51},
            "text_lstm": {"all": 0.5},
            "speech_cnn": {"uar": 0.5, "accuracy": 0.6},
        }
    )
    view = view_of(scores)
    both = judge(view, order(["joint_cnn"], ["text_lstm"], "uar", "accuracy"), "clean")
    assert (both.verdict, both.words[:24]) == ("inconclusive", "1 of 2 comparisons hold;")
    assert "accuracy of joint_cnn minus that of text_lstm: +1.00" in both.words
    one_refuted = judge(
        view, order(["joint_cnn"], ["text_lstm", "speech_cnn"], "uar", "accuracy"), "clean"
    )
    assert one_refuted.verdict == "refuted"
    assert one_refuted.words.startswith(
        "2 of 4 comparisons hold, 1 refuted; decided by accuracy of joint_cnn minus that of speech_cnn: −9.00"
    )
    supported = judge(view, order(["joint_cnn"], ["text_lstm", "speech_cnn"]), "clean")
    assert (supported.verdict, supported.words[:24]) == ("supported", "2 of 2 comparisons hold;")


def test_what_was_not_run_is_named(make_scores):
    view = view_of(make_scores({"joint_cnn": {"all": 0.6}, "text_lstm": {"all": 0.5}}))
    missing = judge(view, CLAIMS["late_of_single_over_early"], "clean")
    assert (missing.verdict, missing.words) == (
        "not run",
        "unimodal_average, unimodal_weighted, unimodal_product",
    )
    part = judge(view, CLAIMS["early_over_single"], "clean")
    assert (part.verdict, part.words) == ("inconclusive", "3 of 6 comparisons hold, 3 not run")
    assert judge(view, CLAIMS["early_over_single"], "as_published").verdict == "not run"


@pytest.mark.parametrize(
    ("happiness", "sadness", "verdict", "evidence"),
    [
        (
            0.30,
            0.75,
            "supported",
            "9 of 9 comparisons hold; decided by recall of joint_cnn: anger 50.00 [48.00, 52.00], happiness 30.00 [28.00, 32.00]",
        ),
        (
            0.30,
            0.53,
            "inconclusive",
            "5 of 9 comparisons hold; decided by recall of joint_cnn: sadness 53.00 [51.00, 55.00], anger 50.00 [48.00, 52.00]",
        ),
        (
            0.60,
            0.70,
            "refuted",
            "5 of 9 comparisons hold, 4 refuted; decided by recall of joint_cnn: anger 50.00 [48.00, 52.00], happiness 60.00 ",
        ),
    ],
)
def test_the_hardest_and_the_easiest_class_need_intervals_that_do_not_overlap(
    make_scores, happiness, sadness, verdict, evidence
):
    figures = {"recall": 0.5, "recall happiness": happiness, "recall sadness": sadness}
    rule = {
        "kind": "class_extreme",
        "lowest": "happiness",
        "highest": "sadness",
        "metric": "recall",
        "systems": ["joint_cnn"],
    }
    judged = judge(view_of(make_scores({"joint_cnn": figures})), claim_of(**rule), "clean")
    assert judged.verdict == verdict and judged.words.startswith(evidence)


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
    rule = {"kind": "most_confused", "pair": ["happiness", "excitement"], "systems": ["joint_cnn"]}
    judged = judge(
        view_of(make_scores({"joint_cnn": {"confused": 0.1, **figures}})), claim_of(**rule), "clean"
    )
    assert judged.verdict == verdict
    assert (
        " of 28 comparisons hold" in judged.words
    )  # 6 x 5 ordered pairs without the two of the claim


def test_all_systems_are_those_that_the_paper_prints_as_its_own(make_scores):
    systems = (
        "speech_cnn",
        "text_lstm",
        "joint_cnn",
        "late_average",
        "late_weighted",
        "late_product",
        "unimodal_average",
    )
    figures = {"recall": 0.5, "recall happiness": 0.3, "recall sadness": 0.7}
    judged = judge(
        view_of(make_scores(dict.fromkeys(systems, figures))),
        CLAIMS["happiness_worst_sadness_best"],
        "clean",
    )
    assert (judged.verdict, judged.words[:26]) == (
        "supported",
        "54 of 54 comparisons hold;",
    )  # 6 systems x 9 pairs of classes


def test_one_dialogue_has_no_interval_and_decides_nothing(make_scores):
    scores = make_scores({"joint_cnn": {"all": 0.9}, "text_lstm": {"all": 0.1}}).assign(
        low=float("nan"), high=float("nan")
    )
    assert (
        judge(view_of(scores), order(["joint_cnn"], ["text_lstm"]), "clean").verdict
        == "inconclusive"
    )


def test_systems_without_a_common_utterance_are_not_compared(make_scores):
    scores = pd.concat(
        [
            make_scores({"joint_cnn": {"all": 0.9}}),
            make_scores({"text_lstm": {"all": 0.1}}).query("system == 'text_lstm'"),
        ]
    )
    judged = judge(view_of(scores), order(["joint_cnn"], ["text_lstm"]), "clean")
    assert (judged.verdict, judged.words) == (
        "not compared",
        "joint_cnn and text_lstm have no utterance in common",
    )


def test_the_papers_own_numbers_are_held_against_its_claims():
    told = {name: in_print(view_of(), claim) for name, claim in CLAIMS.items()}
    assert {name for name, words in told.items() if words == "holds"} == {
        *(
            "fusion_over_single",
            "early_over_single",
            "late_over_early",
            "weighted_best_uar",
            "product_best_accuracy",
        ),
        *("proposed_over_tfn", "product_over_mfn", "product_below_icon"),
    }
    assert told["proposed_over_clstm"] == "fails: late_weighted 59.6 < cLSTM 59.8 (WA)"
    assert (
        told["proposed_over_baselines"]
        == "fails: late_weighted 59.6 < MFN 60.1 (WA), late_weighted 59.6 < MFN 59.9 (F1)"
    )
    assert {
        told[name]
        for name in (
            "late_of_single_over_early",
            "happiness_worst_sadness_best",
            "happiness_excitement_confused",
        )
    } == {"not printed"}


def test_equal_printed_numbers_fail_and_missing_ones_are_counted():
    claim = order(["late_weighted", "unimodal_product"], ["late_weighted"], "accuracy")
    assert (
        in_print(view_of(), claim)
        == "fails: late_weighted 59.6 = late_weighted 59.6 (WA) (1 of 2 comparisons are printed)"
    )


def test_the_table_has_a_row_per_claim_in_the_papers_order(make_scores):
    systems = {name: {"all": 0.5} for name in ("speech_cnn", "text_lstm", "joint_cnn")}
    view = view_of(make_scores(systems), make_scores(systems, protocol="as_published"))
    shown = table(view, list(CLAIMS.values()))
    assert shown.frame["id"].tolist() == list(CLAIMS)
    cells = shown.cells[1]
    assert cells[:3] == [
        "Early fusion beats both single-modality systems.",
        "“Early fusion resulted in improved measures over the uni-modal systems.” (5.4 Results, sentence 5)",
        "holds",
    ]
    assert cells[3] == cells[5] == "inconclusive"
    assert list(headlines(view, shown)) == [
        f"Claims of the paper, {name}: 4 inconclusive, 9 not run."
        for name in ("as published", "clean")
    ]


@pytest.mark.parametrize(
    ("happy", "verdict"), [(0.63, "supported"), (0.61, "inconclusive"), (0.57, "refuted")]
)
def test_an_order_may_be_of_single_emotions(emotions, happy, verdict):
    _, judged = emotions(
        {
            "tensor_fusion": {"all": 0.5, "uar happy": happy, "uar fear": 0.7},
            "early_fusion": {"all": 0.6},
        }
    )
    rule = {
        "kind": "order",
        "better": ["tensor_fusion"],
        "than": ["early_fusion"],
        "metrics": ["uar"],
    }
    both = judged(**rule, classes=["happy", "fear"])
    assert both.verdict == verdict
    if verdict != "supported":
        difference = f"{100 * (happy - 0.6):+.2f}".replace("-", "−")
        assert (
            f"UAR of tensor_fusion (happy) minus that of early_fusion: {difference} [" in both.words
        )
    assert judged(**rule).verdict == "refuted"  # the mean over the emotions is a score of its own
    assert judged(**rule, classes="all").words.startswith(
        f"{1 + (verdict == 'supported')} of 6 comparisons hold"
    )


def test_class_weights_are_judged_system_by_system(emotions):
    figures = {
        "acoustic": {"all": 0.6},
        "acoustic_unweighted": {"all": 0.5},
        "visual": {"all": 0.6, "uar sad": 0.5},
    }
    _, judged = emotions(figures | {"visual_unweighted": {"all": 0.55}})
    rule = {"kind": "class_weights", "metrics": ["uar"]}
    mean = judged(**rule, systems=["acoustic", "visual"])
    assert (mean.verdict, mean.margin) == ("supported", pytest.approx(0.05))
    assert mean.words.endswith(
        "decided by UAR of visual minus that of visual_unweighted: +5.00 [+3.00, +7.00], p 0.040"
    )
    each = judged(**rule, systems=["acoustic", "visual"], classes="all")
    assert (each.verdict, each.words[:36]) == ("refuted", "11 of 12 comparisons hold, 1 refuted")
    everyone = judged(**rule, systems="all")
    assert (everyone.verdict, everyone.words) == (
        "inconclusive",
        "2 of 7 comparisons hold, 5 not run",
    )
    absent = judged(**rule, systems=["language"])
    assert (absent.verdict, absent.words) == ("not run", "language, language_unweighted")


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
def test_a_spread_is_that_of_the_best_and_the_worst_by_our_means(emotions, best, width, verdict):
    figures = {name: {"all": 0.603} for name in FUSIONS} | {
        "deep_fusion": {"all": best},
        "early_fusion": {"all": 0.6},
    }
    _, judged = emotions(figures, width=width)
    rule = {"kind": "spread", "systems": FUSIONS, "metric": "uar", "about": 1.5}
    told = judged(**rule)
    assert (told.verdict, told.margin) == (verdict, pytest.approx(best - 0.6))
    assert told.words.startswith(
        f"UAR of deep_fusion minus that of early_fusion, best and worst: {100 * (best - 0.6):+.2f} ["
    )
    assert told.words.endswith(", 1.5 claimed")


def test_a_spread_needs_all_its_systems_and_an_interval(emotions):
    rule = {"kind": "spread", "systems": FUSIONS, "metric": "uar", "about": 1.5}
    _, judged = emotions({"early_fusion": {"all": 0.6}, "late_fusion": {"all": 0.6}})
    assert (judged(**rule).verdict, judged(**rule).words) == (
        "not run",
        "deep_fusion, tensor_fusion",
    )
    _, judged = emotions({name: {"all": 0.6} for name in FUSIONS}, width=float("nan"))
    assert judged(**rule).verdict == "inconclusive"


def test_a_printed_number_that_is_not_in_the_source_decides_nothing(emotions):
    view, judged = emotions({"early_fusion": {"all": 0.9}})
    rule = {
        "kind": "order",
        "better": ["early_fusion"],
        "than": ["Zadeh et al., 2018"],
        "metrics": ["uar"],
    }
    told = judged(**rule)
    assert (told.verdict, told.words) == (
        "not compared",
        "the printed UAR of Zadeh et al., 2018 is not in the source",
    )
    named = judged(**rule, classes=["sad"])
    assert named.words == "the printed UAR of Zadeh et al., 2018 (sad) is not in the source"
    assert in_print(view, claim_of(**rule)) == "not in the source"
    weights = claim_of(kind="class_weights", systems=["early_fusion"], metrics=["uar"])
    assert in_print(view, weights) == "not printed"  # the paper has no system without weights


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [
        (0.645, "supported"),
        (0.625, "inconclusive"),
        (0.59, "refuted"),
    ],  # 60 in print, 2 above asked for, intervals are ± 2
)
def test_an_order_may_ask_for_so_many_points(emotions, ours, verdict):
    rule = {
        "kind": "order",
        "better": ["acoustic"],
        "than": ["Zadeh et al., 2018 (acoustic)"],
        "metrics": ["uar"],
        "by": 2,
    }
    _, judged = emotions(
        {"acoustic": {"all": ours}, "visual": {"all": 0.6}}, {"Zadeh et al., 2018 (acoustic)": 60.0}
    )
    assert judged(**rule).verdict == verdict
    assert judged(**rule | {"than": ["visual"]}).verdict == verdict
    assert judged(**rule).margin == pytest.approx(ours - 0.62)


def test_in_turn_sets_the_first_against_the_first(emotions):
    _, judged = emotions(
        {
            "acoustic": {"all": 0.6},
            "visual": {"all": 0.5},
            "language": {"all": 0.55},
            "early_fusion": {"all": 0.4},
        }
    )
    rule = {
        "kind": "order",
        "better": ["acoustic", "visual"],
        "than": ["language", "early_fusion"],
        "metrics": ["uar"],
    }
    assert judged(**rule).verdict == "refuted"
    assert judged(**rule, in_turn=True).words.startswith("2 of 2 comparisons hold")


def test_printed_numbers_are_held_against_points_and_spreads(emotions):
    view, _ = emotions(
        {},
        dict(zip(FUSIONS, (63.5, 62.46, 62.0, 63.4), strict=True)) | {"Zadeh et al., 2018": 61.0},
    )
    gain = {
        "kind": "order",
        "better": FUSIONS[:2],
        "than": ["Zadeh et al., 2018"],
        "metrics": ["uar"],
    }
    assert in_print(view, claim_of(**gain)) == "holds"
    assert (
        in_print(view, claim_of(**gain, by=2))
        == "fails: late_fusion 62.46 not enough above Zadeh et al., 2018 61.00 (UA)"
    )
    spread = {"kind": "spread", "systems": FUSIONS, "metric": "uar"}
    assert in_print(view, claim_of(**spread, about=1.5)) == "holds"
    assert (
        in_print(view, claim_of(**spread, about=1.2))
        == "fails: 1.5 points, not 1.2 (early_fusion 63.50, deep_fusion 62.00)"
    )
    assert (
        in_print(emotions({}, {"early_fusion": 63.5})[0], claim_of(**spread, about=1.5))
        == "not in the source"
    )


@pytest.mark.parametrize(
    ("high", "low", "verdict"),
    [
        (
            (1.3, 1.4, 1.5, 1.6),
            (1.0, 1.1, 1.2, 1.29),
            "supported",
        ),  # by chance in 2 of 70 orders of 4 and 4 runs
        ((1.0, 1.1, 1.2, 1.29), (1.3, 1.4, 1.5, 1.6), "refuted"),
        ((1.25, 1.4, 1.5, 1.6), (1.0, 1.1, 1.2, 1.29), "inconclusive"),
        ((1.4, 1.5, 1.6), (1.0, 1.1, 1.2), "inconclusive"),  # in 2 of 20: too few runs
        ((1.4,), (1.0,), "inconclusive"),
    ],
)
def test_losses_are_compared_run_by_run(make_scores, high, low, verdict):
    figures = {"text_bert_8": {"all": 0.5}, "text_bert_16": {"all": 0.5}}
    losses = {"text_bert_8": high, "text_bert_16": low}
    ours = make_scores(figures, paper="weighted_late_fusion", corpus="meld", trained=losses)
    printed = load(REPORTED, "weighted_late_fusion")
    view = Comparison("weighted_late_fusion", "meld", printed, ours, 0.95)
    claim = order(["text_bert_8"], ["text_bert_16"], "loss")
    judged = judge(view, claim, "clean")
    assert (judged.verdict, judged.margin) == (verdict, pytest.approx(fmean(high) - fmean(low)))
    if verdict == "supported":
        told = "loss on dev of text_bert_8: 1.3000 to 1.6000, of text_bert_16: 1.0000 to 1.2900; 4 and 4 runs"
        assert judged.words == f"1 of 1 comparisons hold; decided by {told}"
    assert judged.words.endswith(", too few to tell") == (len(high) < 4)
    assert in_print(view, claim) == "holds"  # 1.1372 and 1.1007
    turned = order(["text_bert_16"], ["text_bert_8"], "loss")
    assert (
        in_print(view, turned)
        == "fails: text_bert_16 1.1007 < text_bert_8 1.1372 (Validation Loss)"
    )


def test_accuracy_is_told_with_both_tests(make_scores):
    view = view_of(make_scores({"joint_cnn": {"all": 0.53}, "text_lstm": {"all": 0.5}}))
    judged = judge(view, order(["joint_cnn"], ["text_lstm"], "accuracy"), "clean")
    assert judged.words.endswith("+3.00 [+1.00, +5.00], p 0.040, McNemar's p 0.030 to 0.200")
