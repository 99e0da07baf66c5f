import pytest
from support.printed_tables import table_row

from merflow.tables.audit import scores
from merflow.tables.audit.class_counts import Support

RECALL = ("80.0", "60.0", "40.0")  # weighted 66.0, plain 60.0


def test_weighted_recall_that_is_not_the_accuracy_is_found(make_case):
    rows = "1 a s accuracy - test 0.6436 share\n1 b s weighted_recall - test {} share"
    assert scores.recall_is_accuracy(make_case(rows.format("0.64"))).findings == []
    (finding,) = scores.recall_is_accuracy(make_case(rows.format("0.62"))).findings
    assert (finding.off, finding.confidence) == ("\N{MINUS SIGN}2.36 points", "certain")


def averaged(make_case, metric, value):
    """Findings on an average of `RECALL`."""
    return scores.averages(make_case(table_row([(metric, value)], recall=RECALL))).findings


def test_averages_that_a_support_gives_are_left_alone(make_case):
    rows = table_row([("accuracy", "66.1"), ("uar", "60.0")], recall=RECALL)
    result = scores.averages(make_case(rows))
    assert (result.numbers, result.findings) == (8, [])


def test_an_average_that_no_support_gives_is_found(make_case):
    (finding,) = averaged(make_case, "accuracy", "68.0")
    assert (finding.confidence, finding.off) == ("likely", "+2.00 points")
    assert finding.expected == "66.00 % (weighted by the support of official, test)"


def test_plain_and_weighted_means_are_told_apart(make_case):
    (plain,) = averaged(make_case, "accuracy", "60.0")
    assert plain.expected.endswith("; it is the plain mean")
    (uar,) = averaged(make_case, "uar", "66.0")
    assert uar.expected == "60.00 % (the plain mean)"


def test_an_average_outside_its_classes_needs_no_support(make_case):
    rows = table_row([("weighted_f1", "{}")], f1=("80.0", "60.0", "40.0"))
    (finding,) = scores.averages(make_case(rows.format("80.3"), supports=())).findings
    assert finding.confidence == "certain"
    assert "nothing outside 40.0 to 80.1 %" in finding.expected
    assert scores.averages(make_case(rows.format("80.1"), supports=())).findings == []


def test_averages_of_some_classes_only_are_not_checked(make_case):
    rows = table_row([("accuracy", "90.0")], recall=("80.0", "60.0"))
    assert scores.averages(make_case(rows)).numbers == 0


def test_cross_validation_tests_the_whole_corpus(make_case):
    rows = table_row([("accuracy", "50.0")], recall=RECALL)
    whole = Support("official", "", {"neutral": 10, "joy": 30, "anger": 60})  # 50.0
    assert scores.averages(make_case(rows, supports=(whole,))).findings == []
    dev = rows.replace(" test ", " dev ")  # of which nothing is known
    assert scores.averages(make_case(dev, supports=(whole,))).findings == []


@pytest.mark.parametrize(
    ("metrics", "possible", "impossible"),
    [
        ("recall joy test 1.2, f1 joy test {}", "2.5", "3.4"),
        (
            "weighted_recall - test 60.0, weighted_precision - test 40.0, weighted_f1 - test {}",
            "48.0",
            "48.3",
        ),
        ("accuracy - test 50.0, weighted_f1 - test {}", "66.7", "66.9"),
        ("uar - test 20.0, macro_precision - test 30.0, macro_f1 - test {}", "24.1", "24.3"),
    ],
)
def test_f1_above_the_harmonic_mean_is_found(make_case, metrics, possible, impossible):
    rows = "\n".join(f"1 a s {metric} percent" for metric in metrics.split(", "))
    right = scores.f1_bounds(make_case(rows.format(possible)))
    assert right.findings == [] and right.numbers == len(metrics.split(", "))
    (finding,) = scores.f1_bounds(make_case(rows.format(impossible))).findings
    assert finding.confidence == "certain"


def test_less_than_the_largest_class_is_found(make_case):
    rows = "1 a s accuracy - test {} percent"
    assert scores.below_majority(make_case(rows.format("50"))).findings == []
    (finding,) = scores.below_majority(make_case(rows.format("48"))).findings
    assert finding.off == "\N{MINUS SIGN}2.00 points"
    assert finding.expected == "at least 50.00 %, the share of neutral (official, test)"
