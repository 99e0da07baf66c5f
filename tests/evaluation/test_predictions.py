import json

import numpy as np
import pandas as pd
import pytest
from support import altered_results

from merflow import artifacts
from merflow.errors import EvaluationError, StoreError
from merflow.evaluation.predictions import Prepared, read_result
from merflow.records import Record
from merflow.store import read_table, write_table

#: Label -> class; other labels are out of scope.
FEWER = {"neutral": "neutral", "joy": "high", "surprise": "high", "anger": "high"}


def read(folder, corpus):
    return read_result(folder, {corpus.name: Prepared.read(corpus)})


def refuse(folder, corpus, message):
    with pytest.raises(EvaluationError, match=message) as error:
        read(folder, corpus)
    assert "\n" not in str(error.value)
    assert str(folder) in str(error.value)


def stored(folder):
    rows = pd.read_parquet(folder / "predictions.parquet")
    return rows.sort_values(["fold", "seed", "split", "utterance_id"], ignore_index=True)


def test_predictions_get_dialogue_and_label_of_the_corpus(make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus)
    result, rows = read(folder, corpus), stored(folder)
    predictions = result.predictions
    assert (result.seeds, result.left_out) == ([1, 2], set())
    assert predictions["utterance_id"].tolist() == rows["utterance_id"].tolist()
    dialogues = rows["utterance_id"].str.rpartition("_")[0]
    assert predictions["dialogue_id"].tolist() == dialogues.tolist()
    for column, lists in (("label", "labels"), ("predicted", "predicted")):
        names = [result.classes[code] for code in predictions[column]]
        assert names == rows[lists].str[0].tolist()


def test_counts_may_leave_utterances_out(make_corpus, make_result):
    corpus = make_corpus()
    result = read(make_result(corpus), corpus)
    whole = result.counts("test")
    dialogues = sorted(set(result.predictions.query("split == 'test'")["dialogue_id"]))
    assert whole.shape == (len(dialogues), 2, 7, 7)
    assert (whole.sum(axis=(0, 2, 3)) == 8 * len(dialogues)).all()
    first = [f"{dialogues[0]}_utt{turn}" for turn in range(8)]
    assert np.array_equal(result.counts("test", without=set(first)), whole[1:])
    without = result.counts("test", without={first[3]})
    assert without[0].sum() == whole[0].sum() - 2  # an utterance, two seeds


def changed(**columns):
    """Change of predictions: a column by the old one."""
    return lambda rows: rows.assign(
        **{name: change(rows[name]) for name, change in columns.items()}
    )


def first_smaller(values):
    return [array * (0.99 if k == 5 else 1) for k, array in enumerate(values)]


WRONG = [
    (
        lambda rows: pd.concat([rows, rows.iloc[[3]]]),
        r"two predictions for dev_dia15_utt3 \(fold 0, seed 1\)",
    ),
    (
        changed(utterance_id=lambda ids: ids.replace("test_dia22_utt0", "test_dia99_utt0")),
        r"test_dia99_utt0 \(fold 0, seed 1\) is not in test of meld's split scheme official",
    ),
    (
        lambda rows: rows.assign(split="test"),
        r"dev_dia15_utt0 .* is not in test of meld's split scheme official",
    ),
    (
        lambda rows: rows[rows["utterance_id"] != "test_dia22_utt1"],
        "no prediction for 1 test utterances .*first test_dia22_utt1",
    ),
    (
        lambda rows: rows[(rows["seed"] == 1) | (rows["utterance_id"] != "test_dia29_utt7")],
        r"no prediction for 1 test .*seed 2",
    ),
    (
        lambda rows: rows[rows["split"] == "test"],
        r"no prediction for \d+ dev utterances \(fold 0, seed 1\), first dev_dia15_utt0",
    ),
    (
        lambda rows: rows[rows["seed"] == 1],
        "fold 0, seed 2 is not in predictions, run.json and split scheme alike",
    ),
    (
        changed(labels=lambda lists: [["fear"]] * len(lists)),
        r"dev_dia15_utt0 .* has labels \['fear'\], expected .* of the corpus",
    ),
    (
        changed(predicted=lambda lists: [["bliss"]] * len(lists)),
        r"dev_dia15_utt0 .* has predicted \['bliss'\], expected exactly one of neutral",
    ),
    (changed(predicted=lambda lists: [["joy", "fear"]] * len(lists)), "expected exactly one of"),
    (changed(predicted=lambda lists: [[]] * len(lists)), "expected exactly one of"),
    (
        changed(probabilities=lambda values: [array[:6] for array in values]),
        r"probabilities \[.*\], expected one from 0 to 1 for each of neutral",
    ),
    (
        changed(probabilities=lambda values: [array * np.nan for array in values]),
        "expected one from 0 to 1 for each",
    ),
    (
        changed(probabilities=lambda values: [array * 3 for array in values]),
        "expected one from 0 to 1 for each",
    ),
    (
        changed(probabilities=lambda values: [1 - array for array in values]),
        "expected the most probable class of",
    ),
    (
        changed(probabilities=first_smaller),
        r"dev_dia15_utt5 \(fold 0, seed 1\) has probabilities \[.*\], expected a sum of 1 over",
    ),
]


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_predictions_that_do_not_fit_are_refused(make_corpus, make_result, change, message):
    corpus = make_corpus()
    folder = make_result(corpus)
    altered_results.predictions(folder, change)
    refuse(folder, corpus, message)


@pytest.mark.parametrize(
    "field", ["scheme", "class_of", "input_labels", "left_out", "params", "runs"]
)
def test_run_json_must_say_all(make_corpus, make_result, field):
    corpus = make_corpus()
    path = make_result(corpus) / "run.json"
    content = json.loads(path.read_text())
    del content[field]
    path.write_text(json.dumps(content))
    with pytest.raises(StoreError, match=rf"run\.json: {field}: field required"):
        read(path.parent, corpus)


def test_results_without_a_run_are_refused(make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus)
    altered_results.predictions(folder, lambda rows: rows.iloc[:0])
    altered_results.record(folder, lambda record: {"runs": ()})
    with pytest.raises(StoreError, match=r"run\.json: names no run"):
        read(folder, corpus)


def test_run_selects_one_epoch(make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus)
    altered_results.run(folder, 1, selected_epochs=(1, 2))
    refuse(folder, corpus, r"selected_epochs of fold 0, seed 2 are \[1, 2\], expected 1 of them")


def test_the_scored_epoch_is_in_the_history(make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus)
    history = Record.read(folder).runs[1].history
    altered_results.run(folder, 1, history=history[:-1])
    message = r"selected_epochs of fold 0, seed 2 are \[3\], not in its history; train it again"
    refuse(folder, corpus, message)


def test_correct_predictions_are_of_every_seed(make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus, seeds=(1, 4))
    correct = read(folder, corpus).correct("test")
    test = stored(folder).query("split == 'test'")
    assert list(correct) == [1, 4]
    for seed, rows in test.groupby("seed"):
        expected = rows["labels"].str[0] == rows["predicted"].str[0]
        assert len(correct[seed]) == 64 and correct[seed].tolist() == expected.tolist()


def test_run_of_an_unknown_fold_is_refused(make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus)

    def add(record):
        return {"runs": (*record.runs, record.runs[1].model_copy(update={"fold": 1}))}

    altered_results.record(folder, add)
    refuse(folder, corpus, "fold 1, seed 2 is not in predictions, run.json and split scheme alike")


def test_labels_count_as_the_classes_of_the_run(make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus)
    altered_results.regroup(folder, FEWER)
    result = read(folder, corpus)
    utterances = read_table(corpus / "utterances.parquet", artifacts.UTTERANCES)
    label_of = utterances.set_index("utterance_id")["labels"].str[0]
    labels = label_of[result.predictions["utterance_id"]]
    assert result.classes == ("neutral", "high")
    assert set(labels) == set(FEWER)
    classes = [result.classes[code] for code in result.predictions["label"]]
    assert classes == [FEWER[label] for label in labels]


def test_order_of_classes_is_of_the_predictions(make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus)
    expected = read(folder, corpus).classes
    altered_results.record(
        folder, lambda record: {"class_of": dict(sorted(record.class_of.items()))}
    )
    assert read(folder, corpus).classes == expected != tuple(sorted(expected))


def test_utterance_out_of_scope_must_not_be_predicted(make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus)
    before = stored(folder)
    altered_results.regroup(folder, FEWER)
    sad = before[before["labels"].str[0] == "sadness"].iloc[[0]]
    extra = sad.assign(labels=[["high"]], predicted=[["high"]])
    altered_results.predictions(folder, lambda rows: pd.concat([rows, extra]))
    message = "is not in dev of meld's split scheme official with labels anger, joy, neut"
    refuse(folder, corpus, f"{extra['utterance_id'].item()} .* {message}")


@pytest.mark.parametrize(
    "classes", [["neutral", "high", "low"], ["high"], ["neutral", "high", "high"], []]
)
def test_predictions_and_run_must_have_the_same_classes(make_corpus, make_result, classes):
    corpus = make_corpus()
    folder = make_result(corpus)
    altered_results.regroup(folder, FEWER)
    altered_results.predictions(folder, lambda rows: rows, classes=classes)
    names = ", ".join(classes) or "without names"
    refuse(folder, corpus, f"has classes {names}, expected high, neutral of run.json")


def test_utterances_without_an_input_need_no_prediction(make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus)
    ids = ["test_dia22_utt1", "dev_dia15_utt0", "train_dia0_utt0"]
    altered_results.leave_out(folder, ids)
    result = read(folder, corpus)
    assert result.left_out == set(ids)
    assert result.counts("test").sum() == 2 * (8 * 8 - 1)  # seeds x (dialogues x turns - 1)


def test_a_left_out_utterance_must_not_be_predicted(make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus)
    altered_results.record(folder, lambda record: {"left_out": {"tokens": ("test_dia22_utt1",)}})
    message = "has a prediction, though run.json leaves it out for want of tokens"
    refuse(folder, corpus, rf"test_dia22_utt1 \(fold 0, seed 1\) {message}")


def test_a_left_out_utterance_must_be_of_the_corpus(make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus)
    altered_results.leave_out(folder, ["test_dia99_utt0", "test_dia22_utt1"])
    refuse(folder, corpus, "left out for want of tokens, but not in meld: test_dia99_utt0")


def test_a_whole_split_cannot_be_left_out(make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus)
    ids = stored(folder).query("split == 'test'")["utterance_id"]
    altered_results.leave_out(folder, sorted(set(ids)))
    refuse(folder, corpus, "leaves out all of test in fold 0")


@pytest.mark.parametrize("labels", [["joy", "fear"], []])
def test_a_multi_class_utterance_has_exactly_one_label(make_corpus, make_result, labels):
    corpus = make_corpus()
    folder = make_result(corpus)
    path = corpus / "utterances.parquet"
    utterances = read_table(path, artifacts.UTTERANCES)
    utterances.at[0, "labels"] = labels
    write_table(path, utterances, artifacts.UTTERANCES)
    message = r"meld: train_dia0_utt0 has labels .*, expected exactly one; prepare the corpus again"
    with pytest.raises(EvaluationError, match=message):
        read(folder, corpus)
