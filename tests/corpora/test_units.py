"""Folds of a custom corpus: the units that they keep whole, and what they share."""

import csv
import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest
from support.dialogues import iemocap_rows, write_rows

from merflow.corpora import annotations
from merflow.corpora.custom import utterances_of
from merflow.corpora.split_defects import log_summary, split_defects, split_text
from merflow.corpora.splits import custom_splits
from merflow.errors import CorpusError
from merflow.evaluation.leakage import shared

REAL = os.environ.get("MERFLOW_REAL_DATA")
PAIR = ("her", "him")


@pytest.fixture
def read(tmp_path):
    """Function that reads annotations from rows of speaker, dialogue, label and split."""
    return lambda rows: annotations.read(write_rows(tmp_path / "mine.csv", rows))


def leaks(labelled, first="train", second="test"):
    """Rows of a split that share a dialogue, and a speaker, with another split of their fold."""
    splits = custom_splits(labelled).merge(utterances_of(labelled.rows, {}), on="utterance_id")
    splits["split"] = splits["split"].map({first: "train", second: "test"})
    counts = shared(splits)
    return counts["shares_dialogue"], counts.get("shares_speaker")


def details(labelled, kind):
    return [defect.detail for defect in split_defects(labelled) if defect.kind == kind]


def sizes(labelled):
    return sorted(Counter(labelled.folding.fold_of).values())


def test_two_person_dialogues_share_nothing_between_splits(read):
    labelled = read(iemocap_rows())
    assert len(labelled.rows) == 7433
    assert (labelled.scheme, labelled.folds) == ("speakers", 5)
    assert sizes(labelled) == [1356, 1373, 1512, 1569, 1623]  # a session each
    for pair in (("train", "test"), ("train", "dev"), ("dev", "test")):
        assert leaks(labelled, *pair) == (0, 0)
    assert split_text(labelled) == "5 folds of whole speakers and dialogues"
    assert split_defects(labelled) == []


def test_each_row_is_tested_once_and_dev_is_the_next_fold(read):
    labelled = read(iemocap_rows())
    for fold, splits in enumerate(labelled.splits):
        names = {fold: "test", (fold + 1) % 5: "dev"}
        assert splits == [names.get(other, "train") for other in labelled.folding.fold_of]


def test_folds_depend_on_names_alone(read):
    rows = [(f"s{k % 40}", f"d{k % 40 // 2}", "joy" if k % 3 else "rage") for k in range(400)]
    first = read(rows)
    shuffled = random.Random(1).sample(rows, len(rows))
    second = read(shuffled)
    by_speaker = dict(zip((row[0] for row in rows), first.folding.fold_of, strict=True))
    assert second.folding.fold_of == [by_speaker[row[0]] for row in shuffled]


def test_the_next_unit_goes_into_the_smallest_fold(read):
    numbers = [100, *[30] * 4, *[10] * 5, *[1] * 5]
    labelled = read([(f"s{unit}", "") for unit, n in enumerate(numbers) for _ in range(n)])
    assert sizes(labelled) == [41, 42, 42, 50, 100]


def test_of_equal_folds_the_one_without_the_class_is_next(read):
    rows = [("", "", label) for label in ("joy", "rage", "fear") for _ in range(10)]
    labelled = read(rows)
    placed = Counter(
        (row.label, fold) for row, fold in zip(labelled.rows, labelled.folding.fold_of, strict=True)
    )
    assert set(placed.values()) == {2}  # of each class, in each of the five folds


def chain(n):
    """Dialogues of neighbours: one component."""
    return [(f"s{d + k % 2}", f"d{d}") for d in range(n) for k in range(4)]


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ([(name, f"d{d}") for d in range(6) for name in "AB"], "A is in 6 of 6 dialogues, B in 6"),
        (
            [(name, f"d{d}") for d in range(6) for name in ("host", f"guest {d}")],
            "host is in 6 of 6 dialogues, guest 0 in 1, guest 1 in 1",  # a hub
        ),
        (chain(6), "s1 is in 2 of 6 dialogues, s2 in 2, s3 in 2"),
        ([("spk0", f"d{d}") for d in range(6) for _ in range(2)], "spk0 is in 6 of 6 dialogues"),
        (
            [(name, f"d{d}") for d in range(6) for name in ("Speaker 1", "speaker 1")],
            "Speaker 1 is in 6 of 6 dialogues, speaker 1 in 6",
        ),
    ],
)
def test_speakers_that_tie_all_dialogues_are_named(read, rows, named):
    labelled = read(rows)
    assert (labelled.scheme, labelled.folds) == ("dialogues", 5)
    assert split_text(labelled) == "5 folds of whole dialogues"
    for pair in (("train", "test"), ("train", "dev"), ("dev", "test")):
        assert leaks(labelled, *pair)[0] == 0
    n_shared, n = leaks(labelled)[1], len(rows)
    assert n_shared > 0
    (detail,) = details(labelled, "speakers not kept apart")
    group = "in one group of connected speakers and dialogues (groups in all: 1)"
    assert detail.startswith(f"{n} of {n} utterances are {group}; {named}; {n_shared} of {n} test ")
    assert detail.endswith("write <dialogue>/<name>, or leave the column speaker empty")
    listed = details(labelled, "speaker in train and test")
    assert sum(int(text.split(": ")[1].split()[0]) for text in listed) == n_shared


def test_unique_names_and_empty_ones_are_ways_out(read):
    unique = read([(f"d{d}/{name}", f"d{d}") for d in range(6) for name in "AB"])
    assert (unique.scheme, leaks(unique), split_defects(unique)) == ("speakers", (0, 0), [])
    empty = read([("", f"d{d}") for d in range(6) for _ in range(2)])
    assert (empty.scheme, leaks(empty)) == ("dialogues", (0, None))
    assert details(empty, "speakers not kept apart") == ["no row names a speaker"]


def test_one_component_above_half_means_folds_of_dialogues(read):
    def corpus(n_large):
        large = [(name, f"d{d}") for d in range(n_large) for name in PAIR]
        return large + [(f"s{k}", f"e{k}") for k in range(20)]

    assert read(corpus(10)).scheme == "speakers"  # 20 of 40 rows
    labelled = read(corpus(11))
    assert labelled.scheme == "dialogues"
    (detail,) = details(labelled, "speakers not kept apart")
    assert detail.startswith("22 of 42 utterances are in one group ")
    assert " (groups in all: 21); her is in 11 of 31 dialogues, him in 11, s0 in 1; " in detail


def test_without_dialogues_speakers_stay_whole_and_unequal(read):
    labelled = read([("a", "")] * 60 + [("b", "")] * 20 + [("c", "")] * 20)
    assert (labelled.scheme, labelled.folds, leaks(labelled)) == ("speakers", 3, (0, 0))
    assert split_text(labelled) == "3 folds of whole speakers"
    assert details(labelled, "folds unequal") == ["fold 0 has 60 of 100 utterances"]


def test_a_speaker_and_a_dialogue_of_one_name_are_two_things(read):
    rows = [(f"s{k}", f"s{(k + 1) % 6}") for k in range(6)] * 2
    labelled = read(rows)
    assert (labelled.scheme, labelled.folds) == ("speakers", 5)
    assert len(set(labelled.folding.components)) == 6


def test_a_row_without_dialogue_is_tied_by_its_speaker_alone(read):
    rows = [(name, dialogue) for name in "abc" for dialogue in ("", f"d{name}", "")]
    labelled = read(rows)
    assert (labelled.scheme, labelled.folds, leaks(labelled)) == ("speakers", 3, (0, 0))


def test_speakers_that_look_alike_are_not_parted(read):
    accents = ("Zo\u00eb", "Zoe\u0308")
    rows = [(name, "") for name in (*accents, "Ann", "ann", "Bob", "Eve", "Max") for _ in range(2)]
    labelled = read(rows)
    fold_of = dict(zip((row[0] for row in rows), labelled.folding.fold_of, strict=True))
    assert fold_of["Ann"] == fold_of["ann"] and fold_of[accents[0]] == fold_of[accents[1]]


def test_three_utterances_are_three_folds(read):
    labelled = read([("a", "x", "joy"), ("b", "y", "rage"), ("c", "z", "joy")])
    assert (labelled.scheme, labelled.folds) == ("speakers", 3)
    assert sorted(labelled.splits[0]) == ["dev", "test", "train"]


def test_unlabelled_rows_tie_nobody_together(read):
    """The unlabelled therapist is neither trained on nor scored; patients stay whole."""
    rows = [(f"patient {k // 2}", f"d{k}") for k in range(12) for _ in range(2)]
    therapist = [("therapist", f"d{k}", "") for k in range(12)]
    labelled = read([*rows, *therapist])
    assert (labelled.scheme, labelled.folds, leaks(labelled)) == ("speakers", 5, (0, 0))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("", "d1"), ("", "d2")] * 2, "2 dialogues, and train, dev and test need one each"),
        ([("A", ""), ("B", "")] * 4, "2 speakers, and train, dev and test need one each"),
        (
            [("A", ""), ("a", ""), ("B", "")] * 2,
            r"2 speakers \(names that look alike are one: A \(2\), a \(2\)\), and train",
        ),
        (
            [(name, "d1") for name in "abcd"] * 2,
            r"1 groups without a common speaker or dialogue \(of 4 speakers and 1 dialogues\), and "
            "train, dev and test need one each; give a split, or name more dialogues, or leave the "
            "column dialogue empty$",
        ),
        (
            [("a", "d1"), ("b", "d2")] * 2,
            r"2 groups .* \(of 2 speakers and 2 dialogues\), .* or name more dialogues$",
        ),
    ],
)
def test_too_few_units_are_refused_with_a_way_out(read, rows, message):
    with pytest.raises(CorpusError, match=message) as error:
        read(rows)
    assert "\n" not in str(error.value)


def test_the_column_dialogue_left_empty_is_a_way_out(read):
    labelled = read([(name, "") for name in "abcd"] * 2)
    assert (labelled.scheme, labelled.folds) == ("speakers", 4)


def test_shared_names_of_given_splits_are_counted(read):
    rows = [
        *(("a", "d1", "joy", "train"), ("a", "d1", "rage", "test"), ("a", "d2", "joy", "test")),
        *(("b", "d3", "joy", "dev"), ("b", "d3", "rage", "test"), ("c", "d4", "joy", "test")),
        *(("a", "d1", "joy", "dev"), ("d", "d1", "sad", "test"), ("b", "d5", "joy", "")),
        ("e", "d6", "rage", "train"),
    ]
    labelled = read(rows)
    listed = {(defect.kind, defect.detail) for defect in split_defects(labelled)}
    assert listed == {
        ("speaker in train and test", "a: 2 rows of test"),
        ("speaker in train and dev", "a: 1 rows of dev"),
        ("speaker in dev and test", "a: 2 rows of test"),
        ("speaker in dev and test", "b: 1 rows of test"),
        ("dialogue in train and test", "d1: 2 rows of test"),
        ("dialogue in train and dev", "d1: 1 rows of dev"),
        ("dialogue in dev and test", "d1: 2 rows of test"),
        ("dialogue in dev and test", "d3: 1 rows of test"),
    }
    assert {defect.action for defect in split_defects(labelled)} == {"train, dev and test as given"}


def test_the_check_says_a_line_per_kind(read, caplog):
    log_summary(split_defects(read([(name, f"d{d}") for d in range(6) for name in "AB"])))
    first, second = caplog.messages
    assert first.startswith("speakers not kept apart: 12 of 12 utterances are in one ")
    named = "A: 6 rows of test; B: 6 rows of test"
    assert second == f"speaker in train and test: {named}; 5 folds of whole dialogues"


def test_twenty_thousand_rows_take_no_time(read):
    rows = [(f"s{d + k % 2}", f"d{d}") for d in range(5000) for k in range(4)]
    labelled = read(rows)
    started = time.process_time()
    assert labelled.scheme == "dialogues" and len(labelled.splits) == 5
    assert time.process_time() - started < 2


@pytest.mark.skipif(not REAL, reason="MERFLOW_REAL_DATA is not set")
def test_the_friends_of_meld_make_folds_of_dialogues(read):
    rows = []
    for split in ("train", "dev", "test"):
        table = Path(REAL) / f"meld/{split}_sent_emo.csv"
        with table.open(newline="", encoding="utf-8") as file:
            rows += [
                (line["Speaker"].replace(",", ""), split + line["Dialogue_ID"], line["Emotion"])
                for line in csv.DictReader(file)
            ]
    labelled = read(rows)
    assert (len(rows), labelled.scheme, labelled.folds) == (13_708, "dialogues", 5)
    assert leaks(labelled)[0] == 0
    (detail,) = details(labelled, "speakers not kept apart")
    assert detail.startswith(
        "13699 of 13708 utterances are in one group of connected speakers and dialogues (groups"
        " in all: 2); Rachel is in 543 of 1432 dialogues, Joey in 538, Ross in 524; "
    )
    assert sizes(labelled) == [2741, 2741, 2742, 2742, 2742]
