import pytest
from support.printed_tables import lines

from merflow.tables.audit import repeats

BATCH_SIZE = "text {0} BERT batch_size - - {1} utterances"


def test_a_score_with_two_values_is_found(make_case):
    rows = lines(
        "1 a s accuracy - test 69.36 percent",
        "2 a s accuracy - test {} percent",
        "text a s accuracy - test 0.694 share",
    )
    same = repeats.printed_twice(make_case(rows.format("69.4")))  # with fewer digits
    assert (same.numbers, same.findings) == (3, [])
    (finding,) = repeats.printed_twice(make_case(rows.format("68.4"))).findings
    assert (finding.confidence, finding.where) == ("certain", "Table 2: a")
    assert finding.expected == "the same as in section 4: a"
    assert finding.off == "\N{MINUS SIGN}1.00 points"


@pytest.mark.parametrize("value", ["68.31", "67.95"])
def test_cut_and_rounded_values_are_the_same(make_case, value):
    rows = f"1 a s accuracy - test {value} percent\n2 a s accuracy - test {value[:4]} percent"
    assert repeats.printed_twice(make_case(rows)).findings == []


def test_hyper_parameters_are_not_rounded(make_case):
    rows = lines(
        "1 a s accuracy - test 69.4 percent",
        "1 a s learning_rate - - 2e-4 number",
        "text a s learning_rate - - {} number",
    )
    assert repeats.printed_twice(make_case(rows.format("0.0002"))).findings == []
    (finding,) = repeats.printed_twice(make_case(rows.format("1e-4"))).findings
    assert finding.off == "+0.0001"


def test_a_family_of_systems_may_have_several_values(make_case):
    score = "1 a s accuracy - test 69.4 percent"
    rows = lines(score, BATCH_SIZE.format("a", 8), BATCH_SIZE.format("b", 16))
    assert repeats.printed_twice(make_case(rows)).numbers == 0


def test_an_accuracy_that_is_called_f1_is_found(make_case):
    rows = lines(
        "1 a s accuracy - test 0.6548 share Accuracy",
        "1 a s weighted_f1 - test {} share F1",
        "2 T s accuracy - test 0.6547 share F1",
    )
    (finding,) = repeats.under_another_name(make_case(rows.format("0.6296"))).findings
    assert finding.printed == "F1 of s 0.6547; accuracy 0.6548 (Table 1: a)"
    assert finding.expected == "F1 0.6296 (Table 1: a), or the name accuracy"
    assert finding.off == "+2.51 points"
    # it may be either
    assert repeats.under_another_name(make_case(rows.format("0.65"))).findings == []


def test_a_row_may_name_the_metric_for_its_column(make_case):
    report = lines(
        "1 Accuracy s accuracy - test 0.34 share F1",
        "1 avg s weighted_f1 - test 0.25 share F1",
        "2 a s accuracy - test 0.34 share Accuracy",
    )
    assert repeats.under_another_name(make_case(report)).findings == []


def test_a_number_of_another_row_in_the_text_is_found(make_case):
    table = lines(
        "1 T+V text_video accuracy - test 78.46 percent",
        "1 T text accuracy - test 59.83 percent",
    )
    text = "text v video accuracy - test 78.46 percent"
    (finding,) = repeats.of_another_row(make_case(lines(table, text))).findings
    assert finding.expected.endswith("the number is in the row of text_video (Table 1: T+V)")
    assert finding.confidence == "likely"
    for line in (
        text.replace("video accuracy", "text_video accuracy"),
        text.replace("78.46", "78.4"),
        text.replace("accuracy", "uar"),
    ):
        assert repeats.of_another_row(make_case(lines(table, line))).findings == []


TWO_SCORES = """
    1 a s recall neutral test 80.2 percent
    1 a s f1     neutral test 83.6 percent
    1 a s recall joy     test 36.8 percent
    1 a s f1     joy     test 35.4 percent
    1 a s recall anger   test {} percent
    1 a s f1     anger   test {} percent
"""


def test_two_classes_with_the_same_scores_are_found(make_case):
    (finding,) = repeats.copied_pair(make_case(TWO_SCORES.format("80.2", "83.6"))).findings
    assert finding.printed == "neutral and anger: recall 80.2, F1 83.6, both"
    assert finding.confidence == "likely"
    assert repeats.copied_pair(make_case(TWO_SCORES.format("80.2", "83.5"))).findings == []


def test_coarse_numbers_may_agree_by_chance(make_case):
    coarse = TWO_SCORES.format("8", "8")
    for value, digit in (("80.2", "8"), ("83.6", "8"), ("36.8", "4"), ("35.4", "3")):
        coarse = coarse.replace(value, digit)
    assert repeats.copied_pair(make_case(coarse)).findings == []


def test_neighbours_of_four_equal_digits_are_a_hint(make_case):
    rows = "1 a s accuracy - test {0} percent\n1 a s {1} - test {0} percent"
    (finding,) = repeats.copied_cell(make_case(rows.format("78.46", "weighted_f1"))).findings
    assert finding.confidence == "hint"
    assert repeats.copied_cell(make_case(rows.format("78.5", "weighted_f1"))).findings == []
    assert repeats.copied_cell(make_case(rows.format("78.46", "weighted_recall"))).findings == []
