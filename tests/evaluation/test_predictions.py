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

FEWER = {
    "neutral": "neutral",
    "joy": "high",
    "surprise": "high",
    "anger": "high",
}  # label -> class; the others are out of scope


def read(folder, corpus):
    return read_result(folder, {corpus.name: Prepared.read(corpus)})


def refuse(folder, corpus, message):
    with pytest.raises(EvaluationError, match=message) as error:
        read(folder, corpus)
    assert "\n" not in str(error.value)
    assert str(folder) in str(error.value)


def test_predictions_get_dialogue_and_class_of_the_corpus(make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus)
    result = read(folder, corpus)
    stored = pd.read_parquet(folder / "predictions.parquet").sort_values(
        ["fold", "seed", "split", "utterance_id"], ignore_index=True
    )
    assert (
        len(result.predictions) == len(stored)
        and result.seeds == [1, 2]
        and result.left_out == set()
    )
    assert result.predictions["utterance_id"].tolist() == stored["utterance_id"].tolist()
    assert (
        result.predictions["dialogue_id"].tolist()
        == stored["utterance_id"].str.rpartition("_")[0].tolist()
    )
    for column, source in (("true", "labels"), ("predicted", "predicted")):
        assert [result.classes[code] for code in result.predictions[column]] == stored[source].str[
            0
        ].tolist()


def test_counts_are_of_the_asked_utterances(make_corpus, make_result):
    corpus = make_corpus()
    result = read(make_result(corpus), corpus)
    whole = result.counts("test")
    dialogue, *others = sorted(
        {
            key.rpartition("_")[0]
            for key in result.predictions.query("split == 'test'")["utterance_id"]
        }
    )
    assert (
        whole.shape == (1 + len(others), 2, 7, 7)
        and (whole.sum(axis=(0, 2, 3)) == 8 * len(whole)).all()
    )
    assert np.array_equal(
        result.counts("test", without={f"{dialogue}_utt{turn}" for turn in range(8)}), whole[1:]
    )
    assert (
        result.counts("test", without={f"{dialogue}_utt3"})[0].sum() == whole[0].sum() - 2
    )  # one utterance, two seeds


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda rows: pd.concat([rows, rows.iloc[[3]]]),
            r"two predictions for dev_dia15_utt3 \(fold 0, seed 1\)",
        ),
        (
            lambda rows: rows.assign(
                utterance_id=rows["utterance_id"].replace("test_dia22_utt0", "test_dia99_utt0")
            ),
            r"test_dia99_utt0 \(fold 0, seed 1\) is not in test of meld's split official",
        ),
        (
            lambda rows: rows.assign(split="test"),
            r"dev_dia15_utt0 .* is not in test of meld's split official",
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
            "fold 0, seed 2 is not in predictions, run.json and split alike",
        ),
        (
            lambda rows: rows.assign(labels=[["fear"]] * len(rows)),
            r"dev_dia15_utt0 .* is labelled \['fear'\], the corpus says",
        ),
        (
            lambda rows: rows.assign(predicted=[["bliss"]] * len(rows)),
            r"dev_dia15_utt0 .* has predicted \['bliss'\], expected exactly one of neutral",
        ),
        (
            lambda rows: rows.assign(predicted=[["joy", "fear"]] * len(rows)),
            "expected exactly one of",
        ),
        (lambda rows: rows.assign(predicted=[[]] * len(rows)), "expected exactly one of"),
        (
            lambda rows: rows.assign(
                probabilities=[values[:6] for values in rows["probabilities"]]
            ),
            r"probabilities \[.*\], expected one, ",
        ),
        (
            lambda rows: rows.assign(
                probabilities=[values * np.nan for values in rows["probabilities"]]
            ),
            "expected one, from 0 to 1, for each",
        ),
        (
            lambda rows: rows.assign(
                probabilities=[values * 3 for values in rows["probabilities"]]
            ),
            "expected one, from 0 to 1, for each",
        ),
        (
            lambda rows: rows.assign(
                probabilities=[1 - values for values in rows["probabilities"]]
            ),
            "expected the most probable class of",
        ),
        (
            lambda rows: rows.assign(
                probabilities=[
                    values * (0.99 if k == 5 else 1)
                    for k, values in enumerate(rows["probabilities"])
                ]
            ),
            r"dev_dia15_utt5 \(fold 0, seed 1\) has probabilities \[.*\], expected a sum of 1 over those of neutral, joy",
        ),
    ],
)
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


def test_right_is_right_of_every_seed(make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus, seeds=(1, 4))
    right = read(folder, corpus).right("test")
    stored = (
        pd.read_parquet(folder / "predictions.parquet")
        .query("split == 'test'")
        .set_index(["seed", "utterance_id"])
    )
    assert list(right) == [1, 4]
    for seed in (1, 4):
        rows = stored.loc[seed].sort_index()
        expected = rows["labels"].str[0] == rows["predicted"].str[0]
        assert len(right[seed]) == 64 and right[seed].tolist() == expected.tolist()


def test_run_of_an_unknown_fold_is_refused(make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus)
    altered_results.record(
        folder,
        lambda record: {"runs": (*record.runs, record.runs[1].model_copy(update={"fold": 1}))},
    )
    refuse(folder, corpus, "fold 1, seed 2 is not in predictions, run.json and split alike")


def test_labels_count_as_the_classes_of_the_run(make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus)
    altered_results.regroup(folder, FEWER)
    result = read(folder, corpus)
    labels = (
        read_table(corpus / "utterances.parquet", artifacts.UTTERANCES)
        .set_index("utterance_id")["labels"]
        .str[0]
    )
    assert result.classes == ("neutral", "high")
    found = labels[result.predictions["utterance_id"]]
    assert set(found) == set(FEWER)
    assert [result.classes[code] for code in result.predictions["true"]] == [
        FEWER[label] for label in found
    ]


def test_order_of_classes_is_that_of_the_predictions(make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus)
    expected = read(folder, corpus).classes
    altered_results.record(
        folder, lambda record: {"class_of": dict(sorted(record.class_of.items()))}
    )
    assert read(folder, corpus).classes == expected != tuple(sorted(expected))


def test_utterance_out_of_the_classes_must_not_be_predicted(make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus)
    kept = pd.read_parquet(folder / "predictions.parquet")
    altered_results.regroup(folder, FEWER)
    strange = (
        kept[kept["labels"].str[0] == "sadness"]
        .iloc[[0]]
        .assign(labels=[["high"]], predicted=[["high"]])
    )
    altered_results.predictions(folder, lambda rows: pd.concat([rows, strange]))
    refuse(
        folder,
        corpus,
        f"{strange['utterance_id'].item()} .* is not in dev of meld's split official, labels anger, joy, neut",
    )


@pytest.mark.parametrize(
    "classes", [["neutral", "high", "low"], ["high"], ["neutral", "high", "high"], []]
)
def test_classes_of_predictions_and_run_must_be_the_same(make_corpus, make_result, classes):
    corpus = make_corpus()
    folder = make_result(corpus)
    altered_results.regroup(folder, FEWER)
    altered_results.predictions(folder, lambda rows: rows, classes=classes)
    refuse(
        folder,
        corpus,
        f"its classes are {', '.join(classes) or 'not named'}, those of run.json high, neutral",
    )


def test_utterances_without_an_input_need_no_prediction(make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus)
    altered_results.leave_out(folder, ["test_dia22_utt1", "dev_dia15_utt0", "train_dia0_utt0"])
    result = read(folder, corpus)
    assert result.left_out == {"test_dia22_utt1", "dev_dia15_utt0", "train_dia0_utt0"}
    assert result.counts("test").sum() == 2 * (8 * 8 - 1)  # seeds x (dialogues x turns - 1)


def test_utterance_that_is_left_out_must_not_be_predicted(make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus)
    altered_results.record(folder, lambda record: {"left_out": {"tokens": ("test_dia22_utt1",)}})
    refuse(
        folder,
        corpus,
        r"test_dia22_utt1 \(fold 0, seed 1\) has a prediction, though run.json leaves it out for want of tokens",
    )


def test_left_out_utterance_must_be_of_the_corpus(make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus)
    altered_results.leave_out(folder, ["test_dia99_utt0", "test_dia22_utt1"])
    refuse(folder, corpus, r"test_dia99_utt0 \(left out, no tokens\) is not in meld")


def test_a_whole_part_cannot_be_left_out(make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus)
    ids = pd.read_parquet(folder / "predictions.parquet").query("split == 'test'")["utterance_id"]
    altered_results.leave_out(folder, sorted(set(ids)))
    refuse(folder, corpus, "leaves out all of test in fold 0")


@pytest.mark.parametrize("labels", [["joy", "fear"], []])
def test_several_labels_or_none_cannot_be_scored(make_corpus, make_result, labels):
    corpus = make_corpus()
    folder = make_result(corpus)
    path = corpus / "utterances.parquet"
    utterances = read_table(path, artifacts.UTTERANCES)
    utterances.at[0, "labels"] = labels
    write_table(path, utterances, artifacts.UTTERANCES)
    with pytest.raises(
        EvaluationError,
        match=r"meld: train_dia0_utt0 is labelled .*; only utterances with one label can be scored",
    ):
        read(folder, corpus)
