"""Differences between systems, and protocol gaps, in results/scores."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, false_discovery_control
from support import altered_results
from support.scored_results import (
    EVALUATION,
    FEWER,
    correct,
    mean_of,
    only,
    predictions,
    scored,
)


def test_differences_between_systems_are_paired(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    skills = {"text_bert_8": 0.2, "text_roberta_8": 0.9}
    results = [make_result(corpus, name, skill=skill) for name, skill in skills.items()]
    scores = scored(tmp_path, results, corpus)
    row = only(scores.differences, metric="accuracy", seed=None)
    first, second = (mean_of(scores, name, "accuracy")["value"] for name in skills)
    assert (row["first"], row["second"], row["source"]) == (*skills, "demo")
    assert row["value"] == pytest.approx(first - second)
    assert row["low"] < row["value"] < row["high"] < 0
    assert row["p"] == pytest.approx(2 / (EVALUATION.resamples + 1))
    assert scores.differences["p"].notna().all()


def test_p_is_corrected_for_all_pairs_in_one_measure(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    skills = {"text_bert_8": 0.2, "text_bert_16": 0.25, "text_roberta_8": 0.9}
    results = [
        make_result(corpus, name, seeds=(1, 2), skill=skill) for name, skill in skills.items()
    ]
    rows = scored(tmp_path, results, corpus).differences
    families = rows.groupby(["seed", "metric", rows["class"].fillna("")], dropna=False)
    assert (families.size() == 3).all() and len(families) > 30
    for _, family in families:
        assert family["p_corrected"].tolist() == list(false_discovery_control(family["p"]))


def test_differences_are_of_common_utterances(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    first = make_result(corpus, "text_bert_8", skill=0.2)
    second = make_result(corpus, "text_roberta_8", skill=0.9)
    whole_dialogue = [f"test_dia22_utt{turn}" for turn in range(8)]
    altered_results.leave_out(first, whole_dialogue)
    altered_results.leave_out(second, ["test_dia25_utt0", "test_dia25_utt3"])
    scores = scored(tmp_path, [first, second], corpus)
    row = only(scores.differences, metric="accuracy", seed=None)
    tables = [predictions(folder) for folder in (first, second)]
    common = set(tables[0]["utterance_id"]) & set(tables[1]["utterance_id"])
    accuracies = [correct(rows)[rows["utterance_id"].isin(common)].mean() for rows in tables]
    assert row["n"] == len(common) == 8 * 8 - 8 - 2
    assert row["value"] == pytest.approx(accuracies[0] - accuracies[1])
    assert row["low"] < row["value"] < row["high"]
    seeds = scores.differences[scores.differences["seed"].notna()]
    assert set(seeds["n"]) == {row["n"]}
    assert seeds["value"].mean() == pytest.approx(row["value"])


def test_no_difference_without_a_common_utterance(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    first, second = make_result(corpus, "text_bert_8"), make_result(corpus, "text_roberta_8")
    ids = sorted(set(predictions(first)["utterance_id"]))
    altered_results.leave_out(first, ids[::2])
    altered_results.leave_out(second, ids[1::2])
    scores = scored(tmp_path, [first, second], corpus)
    assert scores.differences.empty
    systems = {"text_bert_8", "text_roberta_8", "majority", "chance"}
    assert set(scores.scores["system"]) == systems


def test_a_pair_without_a_common_utterance_spares_the_others(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    names = ("text_bert_8", "text_roberta_8", "text_roberta_16")
    first, second, third = (make_result(corpus, name) for name in names)
    ids = sorted(set(predictions(first)["utterance_id"]))
    altered_results.leave_out(first, ids[::2])
    altered_results.leave_out(second, ids[1::2])
    pairs = scored(tmp_path, [first, second, third], corpus).differences
    assert {frozenset(pair) for pair in pairs[["first", "second"]].to_numpy()} == {
        frozenset((names[0], names[2])),
        frozenset((names[1], names[2])),
    }


def test_two_runs_with_one_seed_are_compared_by_mcnemar(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    first = make_result(corpus, "text_bert_8", seeds=(1, 2), skill=0.4)
    second = make_result(corpus, "text_roberta_8", seeds=(2, 5))
    scores = scored(tmp_path, [first, second], corpus)
    (row,) = scores.differences[scores.differences["seed"].notna()].to_dict("records")
    assert (row["seed"], row["metric"]) == (2, "accuracy")  # the only common seed
    tests = [predictions(folder).query("seed == 2") for folder in (first, second)]
    a, b = (correct(rows).to_numpy() for rows in tests)
    alone = [(a & ~b).sum(), (b & ~a).sum()]
    assert [row["first_alone"], row["second_alone"]] == alone and alone[0] != alone[1]
    assert row["value"] == a.mean() - b.mean()
    assert row["p"] == pytest.approx(binomtest(int(alone[0]), int(sum(alone))).pvalue)
    assert np.isnan(row["low"]) and row["n"] == len(a)


def test_gaps_are_paired_on_one_split_scheme_only(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    skills = {"as_published": 0.9, "clean": 0.3}
    first, second = (
        make_result(corpus, protocol=protocol, skill=skill) for protocol, skill in skills.items()
    )
    scores = scored(tmp_path, [first, second], corpus)
    gap = only(scores.gaps, metric="accuracy")
    means = [
        mean_of(scores, "text_bert_8", "accuracy", protocol=protocol)["value"]
        for protocol in skills
    ]
    assert gap["value"] == pytest.approx(means[0] - means[1]) and gap["low"] > 0
    assert (gap["system"], gap["first"], gap["second"]) == ("text_bert_8", *skills)
    assert gap["paired"] and gap["n"] == 64 and gap["p"] == gap["p_corrected"] < 0.05
    altered_results.regroup(first, FEWER)  # with other classes: drawn independently, no test
    gap = only(scored(tmp_path, [first, second], corpus).gaps, metric="weighted_f1")
    assert not gap["paired"] and gap["low"] < gap["value"] < gap["high"]
    assert pd.isna(gap["p"]) and pd.isna(gap["p_corrected"])


def test_paired_gaps_leave_out_utterances_that_either_lacks(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    first, second = (make_result(corpus, protocol=name) for name in ("as_published", "clean"))
    whole = sorted(predictions(first)["utterance_id"].unique())
    altered_results.leave_out(first, whole[:3])
    altered_results.leave_out(second, whole[2:5])
    gap = only(scored(tmp_path, [first, second], corpus).gaps, metric="accuracy")
    common = [
        rows[rows["utterance_id"].isin(whole[5:])] for rows in map(predictions, (first, second))
    ]
    assert gap["paired"] and gap["n"] == len(whole) - 5
    assert gap["value"] == pytest.approx(correct(common[0]).mean() - correct(common[1]).mean())


def test_unpaired_gaps_leave_nothing_out(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    first, second = (make_result(corpus, protocol=name) for name in ("as_published", "clean"))
    altered_results.leave_out(second, sorted(predictions(second)["utterance_id"].unique())[:3])
    altered_results.regroup(second, FEWER)
    gap = only(scored(tmp_path, [first, second], corpus).gaps, metric="accuracy")
    assert not gap["paired"] and gap["n"] == predictions(first)["utterance_id"].nunique()
    assert gap["value"] == pytest.approx(
        correct(predictions(first)).mean() - correct(predictions(second)).mean()
    )
