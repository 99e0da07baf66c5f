import pytest

from merflow.tables.audit.case import Range, cell
from merflow.tables.audit.class_counts import known


@pytest.mark.parametrize(
    ("value", "unit", "low", "high"),
    [
        ("62.0", "percent", 0.6195, 0.621),
        ("0.62", "share", 0.615, 0.63),
        ("2e-4", "number", 1.5e-4, 3e-4),
        ("5810", "utterances", 5809.5, 5811),
        ("16000", "utterances", 15500, 17000),  # zeros of a round number are no digits
        ("1400", "utterances", 1399.5, 1401),
    ],
)
def test_a_number_stands_for_what_it_may_have_been_before_it_was_rounded_or_cut(
    make_case, value, unit, low, high
):
    metric = "accuracy" if unit in ("percent", "share") else "count"
    found = cell(make_case(f"1 a s {metric} - test {value} {unit}").of(metric)[0])
    assert found.range == pytest.approx((low, high))


def test_rounded_and_cut_digits_of_one_number_meet():
    rounded, cut = (
        Range(0.65475, 0.6549),
        Range(0.65465, 0.6548),
    )  # of 1709/2610 = 0.654789...: 0.6548 and 0.6547
    assert rounded.meets(cut) and 1709 / 2610 in rounded and 1709 / 2610 in cut
    assert not Range(0.6545, 0.65475).meets(Range(0.655, 0.656))


def test_supports_are_those_of_the_corpora():
    sizes = {
        corpus: {str(one): one.size for one in known(corpus)}
        for corpus in ("meld", "iemocap", "mosei")
    }
    assert sizes["meld"] == {
        "official, train": 9989,
        "official, dev": 1109,
        "official, test": 2610,
        "official, all parts": 13708,
    }
    assert sizes["iemocap"] == {
        **{"official, all parts": 7380, "official, test": 1622, "official, train": 5758},
        **{
            f"DialogueRNN's labels, {part}": size
            for part, size in (("all parts", 7433), ("test", 1623), ("train", 5810))
        },
    }
    assert (
        sizes["mosei"]["earlier release, train"] == 15290
        and sizes["mosei"]["official, test"] == 4662
    )
    assert known("ravdess") == []


def test_counts_that_the_paper_prints_are_supports_too(make_case):
    case = make_case(
        "1 test - count joy test 40 utterances\n1 test - count anger test 60 utterances",
        supports=(),
    )
    assert [(str(one), dict(one.counts)) for one in case.supports] == [
        ("Table 1, test", {"joy": 40, "anger": 60})
    ]
