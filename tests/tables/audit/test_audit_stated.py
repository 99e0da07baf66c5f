import pytest
from support.printed_tables import lines

from merflow.tables.audit import stated

SCORES = lines(
    "1 ours a accuracy - test 62.0 percent",
    "1 ours a weighted_f1 - test 55.0 percent",
    "1 theirs b accuracy - test 60.0 percent",
    "1 theirs b weighted_f1 - test 54.0 percent",
    "1 other c accuracy - test 58.0 percent",
)


@pytest.fixture
def findings(make_case):
    def find(*rows):
        return stated.differences(make_case(lines(SCORES, *rows))).findings

    return find


def gain(value, system="a_over_b", unit="points", name="gain"):
    return f"text g{value} {system} gain - test {value} {unit} {name}"


@pytest.mark.parametrize("value", ["2", "2.0", "3.3", "3.33", "1", "1.9", "1.85"])
def test_points_and_percent_of_any_printed_score_will_do(findings, value):
    assert findings(gain(value)) == []


def test_a_difference_that_no_printed_score_gives_is_found(findings):
    (finding,) = findings(gain("5.2"))
    assert finding.printed == "a over b: 5.2 points (test)"
    assert finding.expected == (
        "62.0 % \N{MINUS SIGN} 60.0 % = 2.00 points or 3.33 % (accuracy);"
        " 55.0 % \N{MINUS SIGN} 54.0 % = 1.00 points or 1.85 % (weighted F1)"
    )
    assert (finding.confidence, finding.off) == ("likely", "+3.20 points")


def test_a_difference_of_a_named_score_is_of_this_score(findings):
    assert findings(gain("3.3", name="F1")) != []
    assert findings(gain("3.3", name="accuracy")) == []
    assert findings(gain("3.3", unit="percent", name="accuracy")) == []


def test_rounded_scores_leave_their_difference_open(findings):
    assert findings(gain("2.14")) == []  # 62.09 - 59.95
    assert findings(gain("2.16", name="accuracy")) != []


def test_a_gain_of_several_systems_lies_between_theirs(findings):
    assert findings(gain("3", system="a&b_over_c")) == []  # 4 and 2
    assert findings(gain("5", system="a&b_over_c")) == []  # relative
    assert findings(gain("8", system="a&b_over_c")) != []


def test_of_two_stated_numbers_anything_between_fits(findings):
    stated_from, stated_to = ("text g a_over_b gain - test {} points " + name for name in "xy")
    assert findings(stated_from.format(5), stated_to.format(6)) != []
    assert findings(stated_from.format(3), stated_to.format(6)) == []


def test_a_spread_is_the_best_minus_the_worst(findings):
    spread = "text s a&b spread - test {} points"
    assert findings(spread.format("2")) == []
    assert findings(spread.format("4.5")) != []
    three = spread.format("4").replace("a&b", "a&c")
    assert findings(three) == []


def test_differences_without_printed_scores_are_not_checked(make_case):
    rows = lines(SCORES, gain("5", system="a_over_d"), gain("5", system="a"))
    assert stated.differences(make_case(rows)).numbers == 0
    of_class = gain("5").replace(" - test", " joy test")
    assert stated.differences(make_case(lines(SCORES, of_class))).numbers == 0


def test_a_lower_system_may_be_printed_for_each_higher_one(make_case):
    rows = lines(
        SCORES,
        "1 theirs Z_(a) accuracy - test 50.0 percent",
        gain("12", system="a_over_Z"),
    )
    assert stated.differences(make_case(rows)).findings == []


SUM = "text dims s dimension - - {} count {}"


def test_a_sum_with_a_wrong_total_is_found(make_case):
    right = stated.sums(make_case(SUM.format(409, "35+74+300=409")))
    assert (right.numbers, right.findings) == (4, [])
    (finding,) = stated.sums(make_case(SUM.format(410, "35+74+300=410"))).findings
    assert (finding.confidence, finding.expected, finding.off) == ("certain", "409", "+1")


def test_terms_may_be_names_of_printed_numbers(make_case):
    weight = "1 w s fusion_weight - - {} number {}"
    both = weight.replace("1 w", "text w")
    rows = lines(weight.format(0.3, "w1"), weight.format("{}", "w2"), both.format(1, "w1+w2=1"))
    assert stated.sums(make_case(rows.format(0.7))).findings == []
    (finding,) = stated.sums(make_case(rows.format(0.1))).findings
    assert finding.off == "+0.6"
    unknown = lines(weight.format(0.3, "w1"), both.format(1, "w1+w3=1"))
    assert stated.sums(make_case(unknown)).numbers == 0


def test_differences_are_equations_too(make_case):
    assert stated.sums(make_case(SUM.format(5, "12-7=5"))).findings == []
    assert stated.sums(make_case(SUM.format(5, "12-6=5"))).findings != []


def test_names_with_a_hyphen_are_no_equations(make_case):
    assert stated.sums(make_case(SUM.format(5, "five-fold"))).numbers == 0
