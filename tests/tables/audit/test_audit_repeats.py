import pytest

from merflow.tables.audit import repeats


def test_a_score_with_two_values_is_found_and_one_with_fewer_digits_is_not(make_case):
    rows = "1 a s accuracy - test 69.36 percent\n2 a s accuracy - test {} percent\ntext a s accuracy - test 0.694 share"
    same = repeats.printed_twice(make_case(rows.format("69.4")))
    assert (same.numbers, same.findings) == (3, [])
    (found,) = repeats.printed_twice(make_case(rows.format("68.4"))).findings
    assert (found.sure, found.where, found.expected) == (
        "certain",
        "Table 2: a",
        "the same as in section 4: a",
    )
    assert found.off == "\N{MINUS SIGN}1.00 points"


@pytest.mark.parametrize("value", ["68.31", "67.95"])
def test_cut_and_rounded_values_are_the_same(make_case, value):
    rows = f"1 a s accuracy - test {value} percent\n2 a s accuracy - test {value[:4]} percent"
    assert repeats.printed_twice(make_case(rows)).findings == []


def test_settings_are_not_rounded_and_those_of_a_family_may_be_several(make_case):
    score = "1 a s accuracy - test 69.4 percent\n"
    twice = score + "1 a s learning_rate - - 2e-4 number\ntext a s learning_rate - - {} number"
    assert repeats.printed_twice(make_case(twice.format("0.0002"))).findings == []
    assert [one.off for one in repeats.printed_twice(make_case(twice.format("1e-4"))).findings] == [
        "+0.0001"
    ]
    family = (
        score + "text a BERT batch_size - - 8 utterances\ntext b BERT batch_size - - 16 utterances"
    )
    assert repeats.printed_twice(make_case(family)).numbers == 0


def test_an_accuracy_that_is_called_f1_is_found(make_case):
    rows = "1 a s accuracy - test 0.6548 share Accuracy\n1 a s weighted_f1 - test {} share F1\n2 T s accuracy - test 0.6547 share F1"
    (found,) = repeats.under_another_name(make_case(rows.format("0.6296"))).findings
    assert found.printed == "F1 of s 0.6547; accuracy 0.6548 (Table 1: a)"
    assert (found.expected, found.off) == (
        "f1 0.6296 (Table 1: a), or the name accuracy",
        "+2.51 points",
    )
    assert (
        repeats.under_another_name(make_case(rows.format("0.65"))).findings == []
    )  # it may be either


def test_a_row_may_name_what_its_column_does_not(make_case):
    report = "1 Accuracy s accuracy - test 0.34 share F1\n1 avg s weighted_f1 - test 0.25 share F1\n2 a s accuracy - test 0.34 share Accuracy"
    assert repeats.under_another_name(make_case(report)).findings == []


def test_a_number_of_another_row_in_the_text_is_found(make_case):
    table = (
        "1 T+V text_video accuracy - test 78.46 percent\n1 T text accuracy - test 59.83 percent\n"
    )
    (found,) = repeats.of_another_row(
        make_case(table + "text v video accuracy - test 78.46 percent")
    ).findings
    assert (
        found.expected.endswith("the number is the one of text_video (Table 1: T+V)")
        and found.sure == "likely"
    )
    for line in (
        "text v text_video accuracy - test 78.46 percent",
        "text v video accuracy - test 78.4 percent",
        "text v video uar - test 78.46 percent",
    ):
        assert repeats.of_another_row(make_case(table + line)).findings == []


TWO_SCORES = """
    1 a s recall neutral test 80.2 percent
    1 a s f1     neutral test 83.6 percent
    1 a s recall joy     test 36.8 percent
    1 a s f1     joy     test 35.4 percent
    1 a s recall anger   test {} percent
    1 a s f1     anger   test {} percent
"""


def test_a_pair_of_scores_that_stands_twice_in_a_row_is_found(make_case):
    (found,) = repeats.copied_pair(make_case(TWO_SCORES.format("80.2", "83.6"))).findings
    assert (
        found.printed == "neutral and anger: recall 80.2, F1 83.6, both" and found.sure == "likely"
    )
    assert repeats.copied_pair(make_case(TWO_SCORES.format("80.2", "83.5"))).findings == []


def test_coarse_numbers_may_agree_by_chance(make_case):
    coarse = (
        TWO_SCORES.format("8", "8")
        .replace("80.2", "8")
        .replace("83.6", "8")
        .replace("36.8", "4")
        .replace("35.4", "3")
    )
    assert repeats.copied_pair(make_case(coarse)).findings == []


def test_neighbours_of_four_equal_digits_are_a_hint(make_case):
    rows = "1 a s accuracy - test {0} percent\n1 a s {1} - test {0} percent"
    assert [
        one.sure
        for one in repeats.copied_cell(make_case(rows.format("78.46", "weighted_f1"))).findings
    ] == ["hint"]
    assert repeats.copied_cell(make_case(rows.format("78.5", "weighted_f1"))).findings == []
    assert repeats.copied_cell(make_case(rows.format("78.46", "weighted_recall"))).findings == []
