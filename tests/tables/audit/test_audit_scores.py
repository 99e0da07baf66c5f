import pytest

from merflow.tables.audit import scores
from merflow.tables.audit.class_counts import Support

CLASSES = ("neutral", "joy", "anger")


def classes(**metrics):
    """Lines of one row: of each metric a value for each class, in percent; `overall` as (metric, value)."""
    overall = metrics.pop("overall", ())
    lines = [
        f"1 a s {metric} {name} test {value} percent"
        for metric, values in metrics.items()
        for name, value in zip(CLASSES, values, strict=False)
    ]
    return "\n".join(
        [*lines, *(f"1 a s {metric} - test {value} percent" for metric, value in overall)]
    )


def test_weighted_recall_that_is_not_the_accuracy_is_found(make_case):
    rows = "1 a s accuracy - test 0.6436 share\n1 b s weighted_recall - test {} share"
    assert scores.recall_is_accuracy(make_case(rows.format("0.64"))).findings == []
    (found,) = scores.recall_is_accuracy(make_case(rows.format("0.62"))).findings
    assert (found.off, found.sure) == ("\N{MINUS SIGN}2.36 points", "certain")


def test_an_average_that_no_support_gives_is_found(make_case):
    recall = ("80.0", "60.0", "40.0")  # weighted 66.0, plain 60.0
    right = make_case(classes(recall=recall, overall=[("accuracy", "66.1"), ("uar", "60.0")]))
    assert scores.means(right).findings == [] and scores.means(right).numbers == 8
    (found,) = scores.means(
        make_case(classes(recall=recall, overall=[("accuracy", "68.0")]))
    ).findings
    assert (found.sure, found.off) == ("likely", "+2.00 points")
    assert found.expected == "66.00 % (weighted by the support of official, test)"
    (plain,) = scores.means(
        make_case(classes(recall=recall, overall=[("accuracy", "60.0")]))
    ).findings
    assert plain.expected.endswith("; it is the plain mean")
    (uar,) = scores.means(make_case(classes(recall=recall, overall=[("uar", "66.0")]))).findings
    assert uar.expected == "60.00 % (the plain mean)"


def test_an_average_outside_of_its_classes_is_certain_without_any_support(make_case):
    rows = classes(f1=("80.0", "60.0", "40.0"), overall=[("weighted_f1", "80.3")])
    (found,) = scores.means(make_case(rows, supports=())).findings
    assert found.sure == "certain" and "nothing outside of 40.0 to 80.1 %" in found.expected
    assert scores.means(make_case(rows.replace("80.3", "80.1"), supports=())).findings == []


def test_averages_of_some_classes_only_are_not_looked_at(make_case):
    assert (
        scores.means(
            make_case(classes(recall=("80.0", "60.0"), overall=[("accuracy", "90.0")]))
        ).numbers
        == 0
    )


def test_cross_validation_tests_all_of_the_corpus(make_case):
    rows = classes(recall=("80.0", "60.0", "40.0"), overall=[("accuracy", "50.0")])
    whole = Support("official", "", {"neutral": 10, "joy": 30, "anger": 60})  # 50.0
    assert scores.means(make_case(rows, supports=(whole,))).findings == []
    assert (
        len(scores.means(make_case(rows.replace(" test ", " dev "), supports=(whole,))).findings)
        == 0
    )  # nothing known of dev


@pytest.mark.parametrize(
    ("rows", "most"),
    [
        ("1 a s recall joy test 1.2 percent\n1 a s f1 joy test {} percent", ("2.5", "3.4")),
        (
            "1 a s weighted_recall - test 60.0 percent\n1 a s weighted_precision - test 40.0 percent\n1 a s weighted_f1 - test {} percent",
            ("48.0", "48.3"),
        ),
        (
            "1 a s accuracy - test 50.0 percent\n1 a s weighted_f1 - test {} percent",
            ("66.7", "66.9"),
        ),
        (
            "1 a s uar - test 20.0 percent\n1 a s macro_precision - test 30.0 percent\n1 a s macro_f1 - test {} percent",
            ("24.1", "24.3"),
        ),
    ],
)
def test_f1_above_the_harmonic_mean_is_found(make_case, rows, most):
    possible, impossible = (scores.f1_bounds(make_case(rows.format(value))) for value in most)
    assert possible.findings == [] and possible.numbers in (2, 3)
    assert [one.sure for one in impossible.findings] == ["certain"]


@pytest.mark.parametrize("unit", ["percent", "share"])
def test_a_row_in_which_precision_counts_as_one_is_found_if_every_class_fits(make_case, unit):
    recalls, f1s = (60.0, 25.0, 81.2), (75.0, 40.0, 89.6)  # 2r/(1+r): 75, 40, 89.625

    def rows(f1s):
        scale = (
            (lambda value: f"{value:.1f}")
            if unit == "percent"
            else (lambda value: f"{value / 100:.3f}")
        )
        return classes(recall=map(scale, recalls), f1=map(scale, f1s)).replace("percent", unit)

    (found,) = scores.precision_of_one(make_case(rows(f1s))).findings
    assert found.sure == "likely" and "joy 40.0 %" in found.expected
    assert scores.precision_of_one(make_case(rows((75.0, 30.0, 89.6)))).findings == []
    assert (
        scores.precision_of_one(make_case(rows((75.0, 40.0, 89.8)))).findings == []
    )  # above what precision 1 gives


def test_averages_over_folds_lie_below_2r_over_1_plus_r(make_case):
    folds = (0.0, 0.1, 0.1, 0.2, 0.3)
    mean, f1 = sum(folds) / 5, sum(2 * r / (1 + r) for r in folds) / 5
    assert 0 < 2 * mean / (1 + mean) - f1 < scores.AVERAGING
    rows = classes(
        recall=("60.0", "25.0", f"{100 * mean:.1f}"), f1=("75.0", "40.0", f"{100 * f1:.1f}")
    )
    assert len(scores.precision_of_one(make_case(rows)).findings) == 1


def test_two_classes_or_classes_that_are_never_right_are_no_evidence_of_precision_one(make_case):
    assert (
        scores.precision_of_one(
            make_case(classes(recall=("60.0", "25.0"), f1=("75.0", "40.0")))
        ).findings
        == []
    )
    looked = scores.precision_of_one(
        make_case(classes(recall=("60.0", "25.0", "0.0"), f1=("75.0", "40.0", "0.0")))
    )
    assert (looked.numbers, looked.findings) == (4, [])


def test_predictions_that_do_not_add_up_to_the_utterances_are_found(make_case):
    # of 50, 30 and 20 utterances 40, 15 and 12 are right; 48, 24 and 28 predicted: F1 = 2 hits / (support + predicted)
    recall, f1 = ("80.0", "50.0", "60.0"), ("81.6", "55.6", "50.0")
    assert scores.implied_predictions(make_case(classes(recall=recall, f1=f1))).findings == []
    (found,) = scores.implied_predictions(
        make_case(classes(recall=recall, f1=("81.6", "55.6", "30.0")))
    ).findings
    assert found.sure == "likely" and found.expected.startswith(
        "100 predictions (official, test), not 132 ("
    )
    never = classes(
        recall=("80.0", "50.0", "0.0"), f1=("81.6", "55.6", "0.0")
    )  # how often a class that is never right was told is unknown
    assert scores.implied_predictions(make_case(never)).findings == []


def test_a_share_of_no_whole_number_is_a_hint(make_case):
    rows = "1 a s accuracy - dev {} share"
    dev = (Support("official", "dev", {"neutral": 700, "joy": 409}),)
    assert (
        scores.whole_utterances(make_case(rows.format("0.6411"), dev)).findings == []
    )  # 711 of 1109
    (found,) = scores.whole_utterances(make_case(rows.format("0.6517"), dev)).findings
    assert (found.sure, found.off) == (
        "hint",
        "\N{MINUS SIGN}0.02 points",
    ) and "722 or 723 of 1109" in found.expected
    coarse = scores.whole_utterances(make_case(rows.format("0.65"), dev))  # ten of 1109 would do
    assert (coarse.numbers, coarse.findings) == (0, [])
    printed_size = rows.format("0.6517") + "\ntext n - count - dev 600 utterances"  # 391 of 600
    assert scores.whole_utterances(make_case(printed_size, dev)).findings == []


def test_whole_utterances_are_asked_of_the_support_that_the_averages_fit(make_case):
    recall = ("80.0", "60.0", "42.0")  # 8.4 of 20; of the other release 42 of 100
    other = Support("earlier", "test", {"neutral": 100, "joy": 100, "anger": 100})
    test = Support("official", "test", {"neutral": 50, "joy": 30, "anger": 20})
    unclear = make_case(classes(recall=recall), (test, other))
    assert scores.whole_utterances(unclear).findings == []
    fitting = make_case(classes(recall=recall, overall=[("accuracy", "66.4")]), (test, other))
    assert [one.printed for one in scores.whole_utterances(fitting).findings] == ["anger 42.0 %"]


def test_less_than_the_largest_class_is_found(make_case):
    rows = "1 a s accuracy - test {} percent"
    assert scores.below_majority(make_case(rows.format("50"))).findings == []
    (found,) = scores.below_majority(make_case(rows.format("48"))).findings
    assert (found.off, found.expected) == (
        "\N{MINUS SIGN}2.00 points",
        "at least 50.00 %, the share of neutral (official, test)",
    )
