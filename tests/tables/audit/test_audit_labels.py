import pytest
from support.printed_tables import lines

from merflow.tables.audit import counts, labels
from merflow.tables.audit.class_counts import Support

#: 1,000 utterances with 1,500 labels.
RELEASE = Support("small release", "", {"": 1000}, {"happy": 900, "sad": 600})
#: Labels of both classes, split at exactly four fifths, and what the text says of them.
TRAIN = lines("1 train - count happy train {} instances", "1 train - count sad train {} instances")
TEST = TRAIN.replace("train", "test")
EVEN = lines(TRAIN.format(720, 480), TEST.format(180, 120))
SAMPLES = lines(
    "text samples - count - train {} instances", "text samples - count - test {} instances"
)


@pytest.fixture
def mosei(make_case):
    def make(rows, supports=(RELEASE,)):
        return make_case(rows, supports, corpus="mosei", classes=2)

    return make


def test_splits_that_are_sums_of_labels_are_found(mosei):
    (finding,) = labels.within_utterances(mosei(lines(EVEN, SAMPLES.format(1200, 300)))).findings
    assert finding.printed == "1200 (train) + 300 (test) samples, the labels of Table 1"
    assert (finding.off, finding.confidence) == ("+500 samples", "certain")
    assert "at most 1000 utterances (small release, all splits)" in finding.expected
    assert finding.expected.endswith(
        "The labels of 2 of 2 classes are those of the small release, all splits, 1000 utterances"
    )


def test_utterances_may_have_several_labels(mosei):
    rows = lines(EVEN, SAMPLES.format(800, 200))
    assert labels.within_utterances(mosei(rows)).findings == []
    result = labels.within_utterances(mosei(EVEN))
    assert (result.numbers, result.findings) == (4, [])


def test_the_printed_size_counts_before_the_release(mosei):
    rows = lines(EVEN, SAMPLES.format(1200, 300), "text all - count - - {} utterances")
    (finding,) = labels.within_utterances(mosei(rows.format(1400))).findings
    assert finding.off == "+100 samples"
    assert labels.within_utterances(mosei(rows.format(1500))).findings == []
    assert labels.within_utterances(mosei(rows.format(1000), ())).findings == []  # about 1,000


def test_single_labels_cannot_exceed_utterances(make_case):
    counted = lines("1 a - count joy test 70 utterances", "1 a - count anger test {} utterances")
    whole = "text all - count - test 100 utterances"
    (finding,) = labels.within_utterances(make_case(lines(counted.format(40), whole), ())).findings
    assert finding.printed == "70 (joy) + 40 (anger) (test)"
    assert (finding.off, finding.confidence) == ("+10 labels", "certain")
    assert labels.within_utterances(make_case(lines(counted.format(30), whole), ())).findings == []


def test_shares_of_single_labels_stay_below_a_hundred(make_case, mosei):
    rows = lines("1 a - present_share {} test 60 percent", "1 a - present_share {} test 50 percent")
    (finding,) = labels.within_utterances(make_case(rows.format("joy", "anger"))).findings
    assert (finding.off, finding.confidence) == ("+10.00 points", "certain")
    assert labels.within_utterances(mosei(rows.format("happy", "sad"))).findings == []


def test_classes_that_are_split_one_by_one_are_found(mosei):
    (finding,) = labels.split_by_label(mosei(EVEN)).findings
    assert finding.printed == (
        "80.00 % of each class to the label: 720 of 900 (happy), 480 of 600 (sad)"
    )
    assert (finding.confidence, finding.where) == ("likely", "Table 1: train")


def test_splits_of_utterances_divide_classes_roughly(mosei):
    rows = lines(TRAIN.format(727, 473), TEST.format(173, 127))
    result = labels.split_by_label(mosei(rows))
    assert (result.numbers, result.findings) == (4, [])


def test_single_labels_may_be_split_class_by_class(mosei, make_case):
    few = Support("large", "", {"": 1500})  # every utterance may have one label
    assert labels.split_by_label(mosei(EVEN, (few,))).numbers == 0
    joys = EVEN.replace("happy", "joy").replace("sad", "anger")
    assert labels.split_by_label(make_case(joys)).numbers == 0


def test_few_labels_are_divided_alike_by_chance(mosei):
    small = Support("tiny", "", {"": 8})
    rows = lines(TRAIN.format(4, 8), TEST.format(1, 2))
    assert labels.split_by_label(mosei(rows, (small,))).findings == []


def test_labels_of_a_known_release_are_counted(mosei):
    assert counts.known_sizes(mosei(EVEN)).numbers == 4
    unknown = lines(TRAIN.format(700, 480), TEST.format(180, 120))
    assert counts.known_sizes(mosei(unknown)).findings == []  # of no known release, or another one
    whole = "1 a - count happy - 900 instances\n1 a - count sad - 597 instances"
    (finding,) = counts.known_sizes(mosei(whole)).findings
    assert (finding.printed, finding.expected) == ("597 (sad)", "600 (small release, all splits)")


def test_a_table_with_more_classes_than_stated_is_found(make_case):
    row = "1 a s recall {} test 50.0 percent"
    rows = lines(*(row.format(name) for name in ("joy", "anger", "neutral")))
    result = labels.number_of_classes(make_case(rows, classes=3))
    assert (result.numbers, result.findings) == (4, [])
    (finding,) = labels.number_of_classes(make_case(rows, classes=2)).findings
    assert (finding.printed, finding.off) == ("2 classes", "\N{MINUS SIGN}1 classes")
    assert finding.expected == "3, as in Table 1: joy, anger, neutral"
    assert labels.number_of_classes(make_case(rows, classes=None)).numbers == 0


def test_a_table_may_show_some_of_the_classes(make_case):
    assert labels.number_of_classes(make_case("1 a s f1 joy test 50.0 percent")).findings == []
