import pytest

from merflow.tables.audit.case import Range, cell
from merflow.tables.audit.class_counts import supports_of


@pytest.mark.parametrize(
    ("value", "unit", "low", "high"),
    [
        ("62.0", "percent", 0.6195, 0.621),
        ("0.62", "share", 0.615, 0.63),
        ("2e-4", "number", 1.5e-4, 3e-4),
        ("5810", "utterances", 5809.5, 5811),
        ("16000", "utterances", 15500, 17000),  # zeros of a round number are not digits
        ("1400", "utterances", 1399.5, 1401),
    ],
)
def test_a_number_may_be_rounded_or_cut(make_case, value, unit, low, high):
    metric = "accuracy" if unit in ("percent", "share") else "count"
    number = cell(make_case(f"1 a s {metric} - test {value} {unit}").of(metric)[0])
    assert number.range == pytest.approx((low, high))


def test_rounded_and_cut_digits_of_one_number_overlap():
    value = 1709 / 2610  # 0.654789...: 0.6548 and 0.6547
    rounded, cut = Range(0.65475, 0.6549), Range(0.65465, 0.6548)
    assert rounded.overlaps(cut) and value in rounded and value in cut
    assert not Range(0.6545, 0.65475).overlaps(Range(0.655, 0.656))


def sizes_of(corpus):
    return {str(support): support.size for support in supports_of(corpus)}


def test_supports_are_those_of_the_corpora():
    assert sizes_of("meld") == {
        "official, train": 9989,
        "official, dev": 1109,
        "official, test": 2610,
        "official, all splits": 13708,
    }
    assert sizes_of("iemocap") == {
        "official, all splits": 7380,
        "official, test": 1622,
        "official, train": 5758,
        "DialogueRNN's labels, all splits": 7433,
        "DialogueRNN's labels, test": 1623,
        "DialogueRNN's labels, train": 5810,
    }
    mosei = sizes_of("mosei")
    assert (mosei["earlier release, train"], mosei["official, test"]) == (15290, 4662)
    assert supports_of("ravdess") == []


def test_a_release_may_know_its_labels_too():
    dai = {str(each): each for each in supports_of("mosei")}[
        "release of Dai et al. (2021), all splits"
    ]
    assert dai.size == 20477 and sum(dai.labels.values()) == 28566


def test_counts_that_the_paper_prints_are_supports_too(make_case):
    joy, anger = "1 test - count joy test 40 utterances", "1 test - count anger test 60 utterances"
    (support,) = make_case(f"{joy}\n{anger}", supports=()).supports
    assert str(support) == "Table 1, test" and dict(support.counts) == {"joy": 40, "anger": 60}
