"""Facts of training and of the corpus in results/scores."""

import json

import numpy as np
import pandas as pd
import pytest
from support import altered_results
from support.scored_results import (
    FEWER,
    mean_of,
    only,
    scored,
    with_second_fold,
)

from merflow import artifacts
from merflow.store import read_metadata, read_table, write_table


def test_fusion_names_each_input_once_and_has_no_epoch(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus)
    weights = {"a": 0.3, "b": 0.7}
    for number in (0, 1):
        altered_results.run(folder, number, selected_epochs=(), history=(), weights=weights)
    labels = {"text": "fasttext", "words": "fasttext", "speech": "is13"}
    params = {"weights": "dev", "step": 0.1}
    altered_results.record(folder, lambda record: {"input_labels": labels, "params": params})
    rows = scored(tmp_path, [folder], corpus).scores
    of_system = rows["system"] == "text_bert_8"
    assert set(rows.loc[of_system, "inputs"]) == {"is13, fasttext"}
    assert rows.loc[~of_system, "inputs"].isna().all()
    assert not {"selected_epoch", "loss", "batch_size"} & set(rows["metric"])


def test_loss_is_of_the_scored_epoch(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus)
    altered_results.run(folder, 0, selected_epochs=(2,))
    altered_results.leave_out(folder, ["train_dia0_utt0", "dev_dia15_utt0"])
    rows = scored(tmp_path, [folder], corpus).scores
    losses = rows[rows["metric"] == "loss"]
    assert set(losses["system"]) == {"text_bert_8"} and set(losses["split"]) == {"train", "dev"}
    # 2 / epoch on train and 1.5 / epoch on dev
    for split, values, n in (("train", [1.0, 2 / 3], 119), ("dev", [0.75, 0.5], 55)):
        of_split = losses[losses["split"] == split]
        for fold in (0, None):
            runs = [only(of_split, fold=fold, seed=seed)["value"] for seed in (1, 2)]
            assert runs == pytest.approx(values)
        mean = only(of_split, fold=None, seed=None)
        expected = (np.mean(values), np.std(values, ddof=1), n)
        assert (mean["value"], mean["std"], mean["n"]) == pytest.approx(expected)
        assert np.isnan(mean["low"])


def test_loss_of_folds_is_weighted_by_utterances(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    with_second_fold(corpus, train="dev", dev="train")
    folder = make_result(corpus, seeds=(1,))
    altered_results.run(folder, 1, selected_epochs=(1,))
    rows = scored(tmp_path, [folder], corpus).scores
    losses = rows[(rows["metric"] == "loss") & (rows["split"] == "dev")]
    assert [only(losses, fold=fold, seed=1)["value"] for fold in (0, 1)] == [0.5, 1.5]
    n_dialogues = (7, 15)  # of dev in the two folds
    expected = np.average([0.5, 1.5], weights=n_dialogues)
    for seed in (1, None):
        row = only(losses, fold=None, seed=seed)
        assert (row["value"], row["n"]) == (pytest.approx(expected), sum(n_dialogues) * 8)


def test_scores_after_the_first_and_the_last_epoch_are_on_dev(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus)
    history = json.loads((folder / "run.json").read_text())["runs"][0]["history"]
    scores = scored(tmp_path, [folder], corpus).scores
    rows = scores[scores["metric"] == "epoch_score"]
    assert set(rows["split"]) == {"dev"}
    for name, epoch in (("first epoch", history[0]), ("last epoch", history[-1])):
        named = {"class": name}
        for place in ({"fold": 0, "seed": 1}, {"fold": None, "seed": 1}):
            value = only(rows, **place, **named)["value"]
            assert value == pytest.approx(epoch["scores"][0])
        assert only(rows, fold=None, seed=None, **named)["n"] == 7 * 8
    assert history[0]["scores"] != history[-1]["scores"]


def test_settings_are_of_the_run(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    rows = scored(tmp_path, [make_result(corpus)], corpus).scores
    for metric, value in (("batch_size", 8), ("learning_rate", 2e-4), ("weight_decay", 0.01)):
        row = only(rows, metric=metric)
        assert (row["system"], row["split"], row["value"]) == ("text_bert_8", "train", value)
        assert pd.isna(row["seed"]) and pd.isna(row["fold"])


def test_sizes_of_splits_are_in_scope(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    path = corpus / "utterances.parquet"
    utterances, metadata = (
        read(path, artifacts.UTTERANCES) for read in (read_table, read_metadata)
    )
    utterances.loc[utterances["utterance_id"].str.startswith("test_dia2"), "clip"] = "clip.mp4"
    write_table(path, utterances, artifacts.UTTERANCES, metadata)
    folder = make_result(corpus)
    facts = scored(tmp_path, [folder], corpus).corpora
    whole = {"class": None}
    for split, n_dialogues in (("train", 15), ("dev", 7), ("test", 8)):
        assert only(facts, split=split, fact="count", **whole)["value"] == 8 * n_dialogues
        n_clips = only(facts, split=split, fact="clips")["value"]
        assert n_clips == (64 if split == "test" else 0)
    labels, on_test = utterances["labels"].str[0], utterances["official_split"].eq("test")
    for name, count in labels[on_test].value_counts().items():
        of_class = only(facts, split="test", fact="count", **{"class": name})
        assert of_class["value"] == count
    altered_results.regroup(folder, FEWER)
    facts = scored(tmp_path, [folder], corpus).corpora
    fewer = (on_test & labels.isin(FEWER)).sum()
    assert only(facts, split="test", fact="count", **whole)["value"] == fewer


def test_sizes_of_several_folds_are_their_mean(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    with_second_fold(corpus, dev="test", test="dev")
    path = corpus / "utterances.parquet"
    utterances, metadata = (
        read(path, artifacts.UTTERANCES) for read in (read_table, read_metadata)
    )
    write_table(path, utterances.assign(clip="clip.mp4"), artifacts.UTTERANCES, metadata)
    facts = scored(tmp_path, [make_result(corpus, seeds=(1,))], corpus).corpora
    counts = facts[(facts["fact"] == "count") & facts["class"].isna()].set_index("split")["value"]
    assert counts.to_dict() == {"train": 15 * 8, "dev": 7.5 * 8, "test": 7.5 * 8}
    n_clips = only(facts, split="test", fact="clips")["value"]
    assert n_clips == only(facts, split="test", fact="count", **{"class": None})["value"]


def test_tokens_and_time_are_means_over_runs(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    folder, plain = make_result(corpus, seeds=(1, 2)), make_result(corpus, system="text_bert_16")
    altered_results.run(folder, 0, tokens=(400.0, 50.0), clip_s=0.01)
    altered_results.run(folder, 1, tokens=(200.0, 30.0), clip_s=0.03)
    scores = scored(tmp_path, [folder, plain], corpus)
    stages = {None: 340, "stage 2": 300, "stage 3": 40}  # None: all of them
    for stage, tokens in stages.items():
        row = mean_of(scores, "text_bert_8", "tokens", **{"class": stage})
        assert row["value"] == tokens
    row = mean_of(scores, "text_bert_8", "clip_s")
    assert (row["value"], row["n"]) == (0.02, 64)
    counted = scores.scores[scores.scores["metric"].isin(["tokens", "clip_s"])]
    assert set(counted["system"]) == {"text_bert_8"}
