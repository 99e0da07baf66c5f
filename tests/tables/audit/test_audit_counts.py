from support.printed_tables import lines

from merflow.tables.audit import counts
from merflow.tables.audit.class_counts import Support

TRAIN = "1 a - count - train 70 utterances"
DEV = "1 a - count - dev 10 utterances"
TEST = "1 a - count - test 20 utterances"
WHOLE = "text all - count - - {} utterances"


def test_splits_that_do_not_add_up_are_found(make_case):
    splits = lines(TRAIN, DEV, TEST)
    (finding,) = counts.sums(make_case(lines(splits, WHOLE.format(110)))).findings
    assert (finding.confidence, finding.off) == ("certain", "\N{MINUS SIGN}10 utterances")
    assert finding.printed == "70 (train) + 10 (dev) + 20 (test), and 110 in all"
    right = counts.sums(make_case(lines(splits, WHOLE.format(100))))
    assert (right.numbers, right.findings) == (4, [])


def test_round_wholes_are_no_contradiction(make_case):
    splits = lines(TRAIN.replace(" 70 ", " 15870 "), DEV, TEST)  # 15900: about 16000
    assert counts.sums(make_case(lines(splits, WHOLE.format(16000)))).findings == []


def test_an_unnamed_split_may_hold_the_rest(make_case):
    (less,) = counts.sums(make_case(lines(TRAIN, TEST, WHOLE.format(100)))).findings
    assert (less.confidence, less.off) == ("hint", "\N{MINUS SIGN}10 utterances")
    (more,) = counts.sums(make_case(lines(TRAIN, TEST, WHOLE.format(80)))).findings
    assert (more.confidence, more.off) == ("certain", "+10 utterances")


def test_all_printed_classes_make_their_split(make_case):
    row = "1 a - count {} test {} utterances"
    two = lines(row.format("joy", 30), row.format("anger", 20))
    whole = "text all - count - test 100 utterances"
    assert counts.sums(make_case(lines(two, whole), classes=3)).numbers == 0
    wrong = make_case(lines(two, row.format("neutral", 40), whole), classes=3)
    (finding,) = counts.sums(wrong).findings
    assert (finding.confidence, finding.off) == ("certain", "\N{MINUS SIGN}10 utterances")
    right = make_case(lines(two, row.format("neutral", 50), whole), classes=3)
    assert counts.sums(right).findings == []


def test_the_share_of_a_split_is_a_division(make_case):
    rows = lines(
        "1 a - count joy train 1846 utterances",
        "1 b - count joy test 462 utterances",
        "1 a - part_share - train {} percent",
    )
    assert counts.split_shares(make_case(rows.format(80))).findings == []  # 79.98 %
    (finding,) = counts.split_shares(make_case(rows.format(75))).findings
    assert finding.printed == "75 %, and 1846 of 2308 (joy)"
    assert (finding.off, finding.confidence) == ("+4.98 points", "certain")
    # floor(0.8 x 9): one utterance more would be 80 %
    few = rows.replace("1846", "7").replace("462", "2")
    assert counts.split_shares(make_case(few.format(80))).findings == []


def test_shares_add_up_to_a_hundred_within_their_digits(make_case):
    rows = lines(
        "1 a - present_share joy train {} percent", "1 a - absent_share joy train {} percent"
    )
    assert counts.hundred(make_case(rows.format("33.3", "66.6"))).findings == []  # cut
    (finding,) = counts.hundred(make_case(rows.format("33.3", "66.2"))).findings
    assert finding.printed == "33.3 % + 66.2 % (joy train)"
    assert finding.off == "\N{MINUS SIGN}0.50 points"


def test_shares_of_speakers_add_up_to_a_hundred(make_case):
    rows = lines("text sex - count - - 57 percent male", "text sex - count - - 45 percent female")
    assert [finding.off for finding in counts.hundred(make_case(rows)).findings] == ["+2.00 points"]


def test_a_ratio_in_the_text_is_the_ratio_of_the_table(make_case):
    table = lines(
        "1 a - present_share joy train 10.2 percent", "1 a - absent_share joy train 89.8 percent"
    )
    ratio = "text r - imbalance joy - {} number"
    assert counts.imbalance(make_case(lines(table, ratio.format(9)))).findings == []  # 8.8
    (finding,) = counts.imbalance(make_case(lines(table, ratio.format(10)))).findings
    assert (finding.printed, finding.off) == ("1:10 (joy)", "+1.2")
    assert finding.confidence == "likely"
    assert counts.imbalance(make_case(ratio.format(10))).numbers == 0


RELEASES = [
    Support("official", split, {"joy": n, "anger": n})
    for split, n in (("", 50), ("train", 40), ("test", 10))
]
SIZES = lines("1 a - count - train {} utterances", "1 a - count - test {} utterances")


def test_a_size_of_no_release_is_found(make_case):
    assert counts.known_sizes(make_case(SIZES.format(80, 20), RELEASES)).findings == []
    (finding,) = counts.known_sizes(make_case(SIZES.format(80, 23), RELEASES)).findings
    assert (finding.printed, finding.off) == ("23 (test)", "+3 utterances")
    assert finding.confidence == "likely"
    assert finding.expected.startswith("20 (official, test)")
    assert counts.known_sizes(make_case(SIZES.format(80, 23), ())).numbers == 0


def test_another_split_of_the_whole_corpus_is_fine(make_case):
    assert counts.known_sizes(make_case(SIZES.format(60, 40), RELEASES)).findings == []


def test_all_of_the_class_that_the_paper_keeps_is_fine(make_case):
    of_class = lines("1 a - count joy train 30 utterances", "1 a - count joy test 20 utterances")
    rows = lines(of_class, SIZES.format(30, 20).replace("1 a", "2 a"))
    assert counts.known_sizes(make_case(rows, RELEASES)).findings == []


def test_label_instances_are_held_against_their_own_release(make_case):
    joy = lines("1 a - count joy train {} instances", "1 a - count joy test 10 instances")
    supports = [*RELEASES, Support("instances", "", {"joy": 50, "anger": 9}, "instances")]
    assert counts.known_sizes(make_case(joy.format(40), supports)).findings == []
    first, last = counts.known_sizes(make_case(joy.format(45), supports)).findings
    assert first.expected == "50 (instances, all splits), or splits that make up the whole corpus"
    assert (first.printed, last.printed) == ("45 (train joy)", "10 (test joy)")


def test_a_class_has_no_more_errors_than_its_recall_leaves(make_case):
    rows = lines("1 a s recall joy test 80.0 percent", "text w s count joy_as_anger test {} count")
    assert counts.confusions(make_case(rows.format(6))).findings == []
    # of 30, 6 are misclassified
    (finding,) = counts.confusions(make_case(rows.format(7))).findings
    assert (finding.confidence, finding.off) == ("likely", "+1 utterances")
    assert finding.printed == "7 joy misclassified, recall 80.0 %"
