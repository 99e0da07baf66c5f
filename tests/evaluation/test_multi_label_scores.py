"""Several emotions at once, from files to scores."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference
from support import altered_results

from merflow import artifacts
from merflow.corpora.labels import CLASSES
from merflow.errors import EvaluationError
from merflow.evaluation.predictions import Prepared, read_result
from merflow.evaluation.score import score
from merflow.params import EvaluationParams
from merflow.store import read_table, write_table

MOSEI = CLASSES["mosei"]
EVALUATION = EvaluationParams(resamples=200, confidence=0.95, seed=1)
METRICS = {
    "uar": reference.balanced_accuracy_score,
    "accuracy": reference.accuracy_score,
    "weighted_f1": lambda t, p: reference.f1_score(t, p, average="weighted", zero_division=0),
    "positive_f1": lambda t, p: reference.f1_score(t, p, zero_division=0),
}


def read(folder, corpus):
    return read_result(folder, {corpus.name: Prepared.read(corpus)})


def scored(tmp_path, results, corpus):
    score(results, [corpus], EVALUATION, tmp_path / "scores.parquet")
    return read_table(tmp_path / "scores.parquet", artifacts.SCORES)


def values(table, system, column="value", split="test", **where):
    """One column of the rows of a system: by metric and class ("mean": of all)."""
    rows = table[
        (table["system"] == system)
        & (table["split"] == split)
        & (table["metric"] != "selected_epoch")
    ]
    for name in ("fold", "seed"):
        rows = rows[rows[name] == where[name]] if name in where else rows[rows[name].isna()]
    found = rows.assign(**{"class": rows["class"].fillna("mean")}).set_index(["metric", "class"])[
        column
    ]
    assert found.index.is_unique
    return found


def present(lists):
    return np.array([np.isin(MOSEI, list(labels)) for labels in lists]).astype(int)


def expected(true, predicted):
    """Each metric of each emotion, and its mean."""
    each = {
        (name, e): metric(true[:, k], predicted[:, k])
        for name, metric in METRICS.items()
        for k, e in enumerate(MOSEI)
    }
    return each | {(name, "mean"): np.mean([each[name, e] for e in MOSEI]) for name in METRICS}


def test_scores_are_those_of_the_predictions(tmp_path, make_mosei, make_mosei_result):
    corpus = make_mosei()
    folder = make_mosei_result(corpus, seeds=(1, 2, 5))
    table = scored(tmp_path, [folder], corpus)
    test = pd.read_parquet(folder / "predictions.parquet").query("split == 'test'")
    by_seed = {
        seed: expected(present(rows["labels"]), present(rows["predicted"]))
        for seed, rows in test.groupby("seed")
    }
    for seed, wanted in by_seed.items():
        assert values(table, "language", seed=seed, fold=0).to_dict() == pytest.approx(wanted)
    wanted = pd.DataFrame(by_seed)
    assert values(table, "language").to_dict() == pytest.approx(wanted.mean(axis=1).to_dict())
    assert values(table, "language", "std").to_dict() == pytest.approx(wanted.std(axis=1).to_dict())
    for emotion in ("mean", "happy", "fear"):
        low, value, high = (
            values(table, "language", column)["uar", emotion] for column in ("low", "value", "high")
        )
        assert low < value < high
    assert set(values(table, "language", "n")) == {len(test) / 3}
    assert set(table["classes"]) == {6}


def test_utterances_without_an_emotion_count(make_mosei, make_mosei_result):
    corpus = make_mosei()
    result = read(make_mosei_result(corpus), corpus)
    assert (result.predictions["true"] == 0).any()
    counts = result.counts("test")
    assert counts.shape == (8, 2, 6, 2, 2)
    assert (counts.sum(axis=(-2, -1)) == 8).all()  # turns of a dialogue, of each seed and emotion


def test_order_of_a_list_means_nothing(make_mosei, make_mosei_result):
    corpus = make_mosei()
    folder = make_mosei_result(corpus)
    counts = read(folder, corpus).counts("test")

    def turned(rows):
        return rows.assign(
            **{
                name: [list(names)[::-1] for names in rows[name]]
                for name in ("labels", "predicted")
            }
        )

    altered_results.predictions(folder, turned)
    assert np.array_equal(read(folder, corpus).counts("test"), counts)
    altered_results.reorder(
        folder, list(MOSEI[::-1])
    )  # the order of the classes is that of probabilities and scores
    assert np.array_equal(read(folder, corpus).counts("test"), counts[:, :, ::-1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda rows: rows.assign(
                labels=[["fear", *set(names) - {"fear"}] for names in rows["labels"]]
            ),
            r"is labelled \['fear'.*the corpus",
        ),
        (
            lambda rows: rows.assign(labels=[["calm"]] * len(rows)),
            r"is labelled \['calm'\], the corpus says \[",
        ),
        (
            lambda rows: rows.assign(predicted=[["happy", "calm"]] * len(rows)),
            r"predicted \['happy', 'calm'\], expected any, or none, of happy",
        ),
        (
            lambda rows: rows.assign(predicted=[[]] * len(rows)),
            r"predicted \[\], expected the classes of probability 0.5 or more of happy",
        ),
        (
            lambda rows: rows.assign(predicted=[list(MOSEI)] * len(rows)),
            "expected the classes of probability 0.5 or more",
        ),
        (
            lambda rows: rows.assign(probabilities=[row[:5] for row in rows["probabilities"]]),
            "expected one, from 0 to 1, for each of happy",
        ),
        (
            lambda rows: rows.assign(probabilities=[row * 0 - 1 for row in rows["probabilities"]]),
            "expected one, from 0 to 1, for each of happy",
        ),
        (lambda rows: rows.iloc[1:], "no prediction for 1 dev utterances"),
        (
            lambda rows: rows.assign(split="test"),
            r"is not in test of mosei's split official, labels anger",
        ),
    ],
)
def test_predictions_that_do_not_fit_are_refused(make_mosei, make_mosei_result, change, message):
    corpus = make_mosei()
    folder = make_mosei_result(corpus)
    altered_results.predictions(folder, change)
    with pytest.raises(EvaluationError, match=message) as error:
        read(folder, corpus)
    assert "\n" not in str(error.value) and str(folder) in str(error.value)


def test_each_emotion_has_an_epoch_of_its_own(tmp_path, make_mosei, make_mosei_result):
    corpus = make_mosei()
    folder = make_mosei_result(corpus, seeds=(7, 9))
    table = scored(tmp_path, [folder], corpus).query("metric == 'selected_epoch'")
    for seed in (7, 9):
        rows = table[table["seed"] == seed]
        assert dict(zip(rows["class"], rows["value"], strict=True)) == dict(
            zip(MOSEI, [1, 2, 3, 4, 5, seed], strict=True)
        )
    for epochs in ((1, 2), (1, 2, 3)):
        altered_results.run(folder, 0, selected_epochs=epochs)
        message = r"run\.json: selected_epochs of fold 0, seed 7 are .*, expected 1 or 6 of them"
        with pytest.raises(EvaluationError, match=message):
            read(folder, corpus)


def test_baselines_are_per_emotion_and_see_the_train_split_of_each_fold(
    tmp_path, make_mosei, make_mosei_result
):
    corpus = make_mosei()
    splits = read_table(corpus / "splits.parquet", artifacts.SPLITS)
    swapped = splits.assign(
        fold=1, split=splits["split"].map({"train": "test", "dev": "dev", "test": "train"})
    )
    both = pd.concat([splits, swapped])
    write_table(corpus / "splits.parquet", both, artifacts.SPLITS)
    path = corpus / "utterances.parquet"
    utterances = read_table(path, artifacts.UTTERANCES)
    rare = (
        utterances["official_split"] == "test"
    )  # what fold 1 learns from: happy is the exception there
    utterances.loc[rare, "labels"] = pd.Series(
        [[n for n in names if n != "happy"] for names in utterances.loc[rare, "labels"]],
        rare[rare].index,
    )
    write_table(path, utterances, artifacts.UTTERANCES)

    table = scored(tmp_path, [make_mosei_result(corpus, seeds=(1,))], corpus)
    labels = utterances.set_index("utterance_id")["labels"]
    true, top, share = [], [], []
    for fold in (0, 1):
        of = {
            part: both[(both["fold"] == fold) & (both["split"] == part)]
            for part in ("train", "test")
        }
        parts = {part: present(labels[rows["utterance_id"]]) for part, rows in of.items()}
        true.append(parts["test"])
        top.append(
            np.broadcast_to(parts["train"].mean(axis=0) > 0.5, parts["test"].shape).astype(int)
        )
        share.append(np.broadcast_to(parts["train"].mean(axis=0), parts["test"].shape))
    true, top, share = np.concatenate(true), np.concatenate(top), np.concatenate(share)
    assert set(top[:, 0]) == {0, 1} and not top[:, 1:].any()
    assert values(table, "majority").to_dict() == pytest.approx(expected(true, top))
    right = np.where(true, share, 1 - share).mean(axis=0)
    assert [values(table, "chance")["accuracy", e] for e in MOSEI] == pytest.approx(right)
    negative = values(table, "all_negative")
    assert negative.to_dict() == pytest.approx(expected(true, np.zeros_like(true)))
    assert (
        negative["accuracy", "fear"] == 1 - true[:, 5].mean()
        and negative["positive_f1", "mean"] == 0
    )
    assert set(negative["uar"]) == {0.5}
    for name in ("chance", "all_negative"):
        assert set(values(table, name, "n")) == {len(true)}


def test_shares_of_the_corpus_are_of_every_utterance_of_a_part(
    tmp_path, make_mosei, make_mosei_result
):
    corpus = make_mosei()
    folder = make_mosei_result(corpus)
    altered_results.leave_out(folder, ["test_dia22_utt1", "train_dia0_utt0"], "language")
    table = scored(tmp_path, [folder, make_mosei_result(corpus, "visual")], corpus)
    utterances = read_table(corpus / "utterances.parquet", artifacts.UTTERANCES)
    for split, part in utterances.groupby("official_split"):
        share = present(part["labels"]).mean(axis=0)
        wanted = {("present_share", name): share[e] for e, name in enumerate(MOSEI)}
        wanted |= {("absent_share", name): 1 - share[e] for e, name in enumerate(MOSEI)}
        wanted |= {("count", name): len(part) * share[e] for e, name in enumerate(MOSEI)}
        wanted |= {("count", "mean"): len(part), ("clips", "mean"): 0}
        if split == "test":  # its texts are those of train, and it has a speaker of them
            shared = {
                "clip": 0,
                "origin": 0,
                "text": len(part),
                "dialogue": 0,
                "speaker": len(part),
            }
            wanted |= {(f"shares_{what}", "mean"): count for what, count in shared.items()}
        assert values(table, "corpus", split=split).to_dict() == pytest.approx(wanted)
        assert set(values(table, "corpus", "n", split)) == {len(part)}
    rows = table[table["system"] == "corpus"]
    assert len(rows) == 3 * (6 * 3 + 2) + 5 and rows[
        ["fold", "seed", "inputs", "std", "low", "high", "p"]
    ].isna().all(axis=None)


def test_differences_are_paired_per_emotion_on_common_utterances(
    tmp_path, make_mosei, make_mosei_result
):
    corpus = make_mosei()
    first, second = (
        make_mosei_result(corpus, "acoustic", skill=0.1),
        make_mosei_result(corpus, "language", (1, 2, 3), skill=0.95),
    )
    altered_results.leave_out(first, [f"test_dia22_utt{turn}" for turn in range(8)], "language")
    altered_results.leave_out(second, ["test_dia25_utt0", "test_dia25_utt3"], "language")
    pair, table = "acoustic - language", scored(tmp_path, [first, second], corpus)
    tables = [
        pd.read_parquet(folder / "predictions.parquet").query("split == 'test'")
        for folder in (first, second)
    ]
    common = set(tables[0]["utterance_id"]) & set(tables[1]["utterance_id"])
    means = []
    for rows in tables:
        rows = rows[rows["utterance_id"].isin(common)]
        runs = [
            expected(present(one["labels"]), present(one["predicted"]))
            for _, one in rows.groupby("seed")
        ]
        means.append(pd.DataFrame(runs).mean())
    assert values(table, pair).to_dict() == pytest.approx((means[0] - means[1]).to_dict())
    assert set(values(table, pair, "n")) == {len(common)} == {8 * 8 - 8 - 2}
    assert values(table, pair, "high")["uar", "mean"] < 0
    assert values(table, pair, "p")["uar", "mean"] == pytest.approx(2 / 201)
    assert values(table, pair, "p").between(2 / 201 - 1e-9, 1).all()
    assert table.loc[table["system"] != pair, "p"].isna().all()


def test_equal_predictions_of_several_seeds_are_no_difference(
    tmp_path, make_mosei, make_mosei_result
):
    corpus = make_mosei()
    first, second = (
        make_mosei_result(corpus, "acoustic", (1,)),
        make_mosei_result(corpus, "language", (1, 2, 3)),
    )
    rows = pd.read_parquet(first / "predictions.parquet")
    altered_results.predictions(
        second, lambda _: pd.concat([rows.assign(seed=seed) for seed in (1, 2, 3)])
    )
    table = scored(tmp_path, [first, second], corpus)
    assert (values(table, "acoustic - language", "p") == 1).all()
    assert not values(table, "acoustic - language", "low").any()


def test_fusion_has_no_epoch(tmp_path, make_mosei, make_mosei_result):
    corpus = make_mosei()
    folder = make_mosei_result(corpus)
    for number in (0, 1):
        altered_results.run(folder, number, selected_epochs=())
    assert "selected_epoch" not in set(scored(tmp_path, [folder], corpus)["metric"])
