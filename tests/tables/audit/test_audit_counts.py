from merflow.tables.audit import counts
from merflow.tables.audit.class_counts import Support

PARTS = "1 a - count - train 70 utterances\n1 a - count - dev 10 utterances\n1 a - count - test 20 utterances\n"


def test_parts_that_do_not_make_the_whole_are_found_and_round_wholes_are_not(make_case):
    (found,) = counts.sums(make_case(PARTS + "text all - count - - 110 utterances")).findings
    assert (found.sure, found.off) == ("certain", "\N{MINUS SIGN}10 utterances")
    assert found.printed == "70 (train) + 10 (dev) + 20 (test), and 110 in all"
    assert counts.sums(make_case(PARTS + "text all - count - - 100 utterances")).numbers == 4
    assert counts.sums(make_case(PARTS + "text all - count - - 100 utterances")).findings == []
    round_whole = (
        PARTS.replace(" 70 ", " 15870 ") + "text all - count - - 16000 utterances"
    )  # 15900: about 16000
    assert counts.sums(make_case(round_whole)).findings == []


def test_a_part_that_is_not_named_may_hold_the_rest_but_takes_nothing_away(make_case):
    two = "1 a - count - train 70 utterances\n1 a - count - test 20 utterances\n"
    (less,) = counts.sums(make_case(two + "text all - count - - 100 utterances")).findings
    (more,) = counts.sums(make_case(two + "text all - count - - 80 utterances")).findings
    assert [(one.sure, one.off) for one in (less, more)] == [
        ("hint", "\N{MINUS SIGN}10 utterances"),
        ("certain", "+10 utterances"),
    ]


def test_classes_make_their_part_where_all_are_printed(make_case):
    two = "1 a - count joy test 30 utterances\n1 a - count anger test 20 utterances\n"
    whole = "text all - count - test 100 utterances"
    assert counts.sums(make_case(two + whole, classes=3)).numbers == 0
    (found,) = counts.sums(
        make_case(two + "1 a - count neutral test 40 utterances\n" + whole, classes=3)
    ).findings
    assert (found.sure, found.off) == ("certain", "\N{MINUS SIGN}10 utterances")
    assert (
        counts.sums(
            make_case(two + "1 a - count neutral test 50 utterances\n" + whole, classes=3)
        ).findings
        == []
    )


def test_the_share_of_a_part_is_a_division(make_case):
    rows = "1 a - count joy train 1846 utterances\n1 b - count joy test 462 utterances\n1 a - part_share - train {} percent"
    assert counts.part_shares(make_case(rows.format(80))).findings == []  # 79.98 %
    (found,) = counts.part_shares(make_case(rows.format(75))).findings
    assert (found.printed, found.off, found.sure) == (
        "75 %, and 1846 of 2308 (joy)",
        "+4.98 points",
        "certain",
    )
    few = rows.replace("1846", "7").replace(
        "462", "2"
    )  # floor(0.8 x 9): one utterance more would be 80 %
    assert counts.part_shares(make_case(few.format(80))).findings == []


def test_shares_add_up_to_a_hundred_as_far_as_their_digits_go(make_case):
    rows = "1 a - present_share joy train {} percent\n1 a - absent_share joy train {} percent"
    assert counts.hundred(make_case(rows.format("33.3", "66.6"))).findings == []  # cut
    (found,) = counts.hundred(make_case(rows.format("33.3", "66.2"))).findings
    assert (found.printed, found.off) == (
        "33.3 % + 66.2 % (joy train)",
        "\N{MINUS SIGN}0.50 points",
    )
    speakers = "text sex - count - - 57 percent male\ntext sex - count - - 45 percent female"
    assert [one.off for one in counts.hundred(make_case(speakers)).findings] == ["+2.00 points"]


def test_a_ratio_in_the_text_is_that_of_the_table(make_case):
    table = (
        "1 a - present_share joy train 10.2 percent\n1 a - absent_share joy train 89.8 percent\n"
    )
    assert (
        counts.imbalance(make_case(table + "text r - imbalance joy - 9 number")).findings == []
    )  # 8.8
    (found,) = counts.imbalance(make_case(table + "text r - imbalance joy - 10 number")).findings
    assert (found.printed, found.off, found.sure) == ("1:10 (joy)", "+1.2", "likely")
    assert counts.imbalance(make_case("text r - imbalance joy - 10 number")).numbers == 0


def test_sizes_are_those_of_a_release_or_of_another_split_of_all_of_it(make_case):
    releases = [
        Support("official", split, {"joy": n, "anger": n})
        for split, n in (("", 50), ("train", 40), ("test", 10))
    ]
    sizes = "1 a - count - train {} utterances\n1 a - count - test {} utterances"
    assert counts.known_sizes(make_case(sizes.format(80, 20), releases)).findings == []
    assert (
        counts.known_sizes(make_case(sizes.format(60, 40), releases)).findings == []
    )  # split anew
    (found,) = counts.known_sizes(make_case(sizes.format(80, 23), releases)).findings
    assert (found.printed, found.off, found.sure) == ("23 (test)", "+3 utterances", "likely")
    assert found.expected.startswith("20 (official, test)")
    of_one = (
        "1 a - count joy train 30 utterances\n1 a - count joy test 20 utterances\n"
        + sizes.format(30, 20).replace("1 a", "2 a")
    )
    assert (
        counts.known_sizes(make_case(of_one, releases)).findings == []
    )  # all of the class that the paper keeps
    assert counts.known_sizes(make_case(sizes.format(80, 23), ())).numbers == 0


def test_a_class_has_no_more_errors_than_its_recall_leaves(make_case):
    rows = "1 a s recall joy test 80.0 percent\ntext w s count joy_as_anger test {} count"
    assert counts.confusions(make_case(rows.format(6))).findings == []
    (found,) = counts.confusions(make_case(rows.format(7))).findings  # of 30, 6 are told wrong
    assert (found.sure, found.off) == ("likely", "+1 utterances")
