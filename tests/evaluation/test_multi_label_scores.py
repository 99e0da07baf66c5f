"""Multi-label scores, from files to tables."""

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
from merflow.evaluation.scored import Scores
from merflow.params import EvaluationParams
from merflow.store import read_table, write_table

MOSEI = CLASSES["mosei"]
EVALUATION = EvaluationParams(resamples=200, confidence=0.95, seed=1)


def f1(average):
    return lambda y, p: reference.f1_score(y, p, average=average, zero_division=0)


METRICS = {
    "uar": reference.balanced_accuracy_score,
    "accuracy": reference.accuracy_score,
    "weighted_f1": f1("weighted"),
    "positive_f1": f1("binary"),
}


def read(folder, corpus):
    return read_result(folder, {corpus.name: Prepared.read(corpus)})


def scored(tmp_path, results, corpus):
    score(results, [corpus], EVALUATION, tmp_path / "scores")
    return Scores.read(tmp_path / "scores")


def by_class(rows, column="value", measure="metric"):
    """A column by metric and class ("mean": over all classes)."""
    rows = rows.assign(**{"class": rows["class"].fillna("mean")})
    values = rows.set_index([measure, "class"])[column]
    assert values.index.is_unique
    return values


def values(scores, system, column="value", **run):
    """A column of a system on test: of a run, or of all."""
    rows = scores.scores
    rows = rows[(rows["system"] == system) & (rows["split"] == "test")]
    for name in ("fold", "seed"):
        rows = rows[rows[name] == run[name]] if name in run else rows[rows[name].isna()]
    return by_class(rows, column)


def present(lists):
    return np.array([np.isin(MOSEI, list(labels)) for labels in lists]).astype(int)


def expected(labels, predicted):
    """Each metric of each emotion, and its mean."""
    each = {
        (name, emotion): metric(labels[:, k], predicted[:, k])
        for name, metric in METRICS.items()
        for k, emotion in enumerate(MOSEI)
    }
    means = {
        (name, "mean"): np.mean([each[name, emotion] for emotion in MOSEI]) for name in METRICS
    }
    return each | means


def test_scores_are_of_the_predictions(tmp_path, make_mosei, make_mosei_result):
    corpus = make_mosei()
    folder = make_mosei_result(corpus, seeds=(1, 2, 5))
    scores = scored(tmp_path, [folder], corpus)
    test = pd.read_parquet(folder / "predictions.parquet").query("split == 'test'")
    by_seed = {
        seed: expected(present(rows["labels"]), present(rows["predicted"]))
        for seed, rows in test.groupby("seed")
    }
    for seed, of_seed in by_seed.items():
        assert values(scores, "language", seed=seed, fold=0).to_dict() == pytest.approx(of_seed)
    table = pd.DataFrame(by_seed)
    mean, std = table.mean(axis=1).to_dict(), table.std(axis=1).to_dict()
    assert values(scores, "language").to_dict() == pytest.approx(mean)
    assert values(scores, "language", "std").to_dict() == pytest.approx(std)
    low, value, high = (
        values(scores, "language", name)["uar"] for name in ("low", "value", "high")
    )
    for emotion in ("mean", "happy", "fear"):
        assert low[emotion] < value[emotion] < high[emotion]
    assert set(values(scores, "language", "n")) == {len(test) / 3}
    assert set(scores.scores["n_classes"]) == {6} and scores.scores["multi_label"].all()


def test_utterances_without_an_emotion_count(make_mosei, make_mosei_result):
    corpus = make_mosei()
    result = read(make_mosei_result(corpus), corpus)
    assert (result.predictions["label"] == 0).any()
    counts = result.counts("test")
    assert counts.shape == (8, 2, 6, 2, 2)
    assert (counts.sum(axis=(-2, -1)) == 8).all()  # turns of a dialogue, of each seed and emotion


def test_order_of_a_list_means_nothing(make_mosei, make_mosei_result):
    corpus = make_mosei()
    folder = make_mosei_result(corpus)
    counts = read(folder, corpus).counts("test")

    def reverse(rows):
        lists = {name: [list(names)[::-1] for names in rows[name]] for name in LISTS}
        return rows.assign(**lists)

    altered_results.predictions(folder, reverse)
    assert np.array_equal(read(folder, corpus).counts("test"), counts)
    # The order of the classes is the order of probabilities and scores.
    altered_results.reorder(folder, list(MOSEI[::-1]))
    assert np.array_equal(read(folder, corpus).counts("test"), counts[:, :, ::-1])


LISTS = ("labels", "predicted")
WRONG = [
    (
        lambda rows: {"labels": [["fear", *set(names) - {"fear"}] for names in rows["labels"]]},
        r"has labels \['fear'.*expected .* of the corpus",
    ),
    (
        lambda rows: {"labels": [["calm"]] * len(rows)},
        r"has labels \['calm'\], expected \[.* of the corpus",
    ),
    (
        lambda rows: {"predicted": [["happy", "calm"]] * len(rows)},
        r"predicted \['happy', 'calm'\], expected any number of happy",
    ),
    (
        lambda rows: {"predicted": [[]] * len(rows)},
        r"predicted \[\], expected the classes with a probability of 0.5 or more of happy",
    ),
    (
        lambda rows: {"predicted": [list(MOSEI)] * len(rows)},
        "expected the classes with a probability of 0.5 or more",
    ),
    (
        lambda rows: {"probabilities": [values[:5] for values in rows["probabilities"]]},
        "expected one from 0 to 1 for each of happy",
    ),
    (
        lambda rows: {"probabilities": [values * 0 - 1 for values in rows["probabilities"]]},
        "expected one from 0 to 1 for each of happy",
    ),
    (
        lambda rows: {"split": "test"},
        r"is not in test of mosei's split scheme official with labels anger",
    ),
]


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_predictions_that_do_not_fit_are_refused(make_mosei, make_mosei_result, change, message):
    corpus = make_mosei()
    folder = make_mosei_result(corpus)
    altered_results.predictions(folder, lambda rows: rows.assign(**change(rows)))
    with pytest.raises(EvaluationError, match=message) as error:
        read(folder, corpus)
    assert "\n" not in str(error.value) and str(folder) in str(error.value)


def test_a_missing_prediction_is_refused(make_mosei, make_mosei_result):
    corpus = make_mosei()
    folder = make_mosei_result(corpus)
    altered_results.predictions(folder, lambda rows: rows.iloc[1:])
    with pytest.raises(EvaluationError, match="no prediction for 1 dev utterances"):
        read(folder, corpus)


def test_each_emotion_has_an_epoch_of_its_own(tmp_path, make_mosei, make_mosei_result):
    corpus = make_mosei()
    folder = make_mosei_result(corpus, seeds=(7, 9))
    epochs = scored(tmp_path, [folder], corpus).scores.query("metric == 'selected_epoch'")
    for seed in (7, 9):
        rows = epochs[epochs["seed"] == seed]
        selected = dict(zip(rows["class"], rows["value"], strict=True))
        assert selected == dict(zip(MOSEI, [1, 2, 3, 4, 5, seed], strict=True))
    for wrong in ((1, 2), (1, 2, 3)):
        altered_results.run(folder, 0, selected_epochs=wrong)
        message = r"run\.json: selected_epochs of fold 0, seed 7 are .*, expected 1 or 6 of them"
        with pytest.raises(EvaluationError, match=message):
            read(folder, corpus)


@pytest.fixture
def two_folds(make_mosei):
    """Fold 1 swaps train and test of fold 0, whose test split has no happy utterance."""
    corpus = make_mosei()
    splits = read_table(corpus / "splits.parquet", artifacts.SPLITS)
    swap = {"train": "test", "test": "train"}
    second = splits.assign(fold=1, split=splits["split"].replace(swap))
    write_table(corpus / "splits.parquet", pd.concat([splits, second]), artifacts.SPLITS)
    path = corpus / "utterances.parquet"
    utterances = read_table(path, artifacts.UTTERANCES)
    on_test = utterances["official_split"] == "test"
    lists = utterances.loc[on_test, "labels"]
    without = [[name for name in names if name != "happy"] for names in lists]
    utterances.loc[on_test, "labels"] = pd.Series(without, lists.index)
    write_table(path, utterances, artifacts.UTTERANCES)
    return corpus


def test_baselines_are_fitted_per_emotion_and_fold(tmp_path, two_folds, make_mosei_result):
    corpus = two_folds
    scores = scored(tmp_path, [make_mosei_result(corpus, seeds=(1,))], corpus)
    utterances = read_table(corpus / "utterances.parquet", artifacts.UTTERANCES)
    lists = utterances.set_index("utterance_id")["labels"]
    splits = read_table(corpus / "splits.parquet", artifacts.SPLITS)
    labels, majorities, shares = [], [], []
    for _, members in splits.groupby("fold"):
        train, test = (
            present(lists[members.loc[members["split"] == split, "utterance_id"]])
            for split in ("train", "test")
        )
        labels.append(test)
        shares.append(np.broadcast_to(train.mean(axis=0), test.shape))
        majorities.append((shares[-1] > 0.5).astype(int))
    labels, majority, share = map(np.concatenate, (labels, majorities, shares))
    assert set(majority[:, 0]) == {0, 1} and not majority[:, 1:].any()
    assert values(scores, "majority").to_dict() == pytest.approx(expected(labels, majority))
    accuracy = np.where(labels, share, 1 - share).mean(axis=0)
    chance = values(scores, "chance")["accuracy"]
    assert [chance[emotion] for emotion in MOSEI] == pytest.approx(accuracy)
    negative = values(scores, "all_negative")
    assert negative.to_dict() == pytest.approx(expected(labels, np.zeros_like(labels)))
    assert negative["accuracy", "fear"] == 1 - labels[:, 5].mean()
    assert negative["positive_f1", "mean"] == 0 and set(negative["uar"]) == {0.5}
    for name in ("chance", "all_negative"):
        assert set(values(scores, name, "n")) == {len(labels)}


def test_corpus_facts_are_of_every_utterance(tmp_path, make_mosei, make_mosei_result):
    corpus = make_mosei()
    folder = make_mosei_result(corpus)
    altered_results.leave_out(folder, ["test_dia22_utt1", "train_dia0_utt0"], "language")
    facts = scored(tmp_path, [folder, make_mosei_result(corpus, "visual")], corpus).corpora
    utterances = read_table(corpus / "utterances.parquet", artifacts.UTTERANCES)
    for split, members in utterances.groupby("official_split"):
        n, share = len(members), present(members["labels"]).mean(axis=0)
        of_split = {("count", "mean"): n, ("clips", "mean"): 0}
        for k, emotion in enumerate(MOSEI):
            of_split["present_share", emotion] = share[k]
            of_split["absent_share", emotion] = 1 - share[k]
            of_split["count", emotion] = n * share[k]
        if split == "test":  # all texts are the same, as is the speaker
            shared = {"clip": 0, "origin": 0, "text": n, "dialogue": 0, "speaker": n}
            of_split |= {(f"shares_{what}", "mean"): count for what, count in shared.items()}
        rows = facts[facts["split"] == split]
        assert by_class(rows, measure="fact").to_dict() == pytest.approx(of_split)
        assert set(rows["n"]) == {n}
    assert len(facts) == 3 * (6 * 3 + 2) + 5


def test_differences_are_paired_per_emotion(tmp_path, make_mosei, make_mosei_result):
    corpus = make_mosei()
    first = make_mosei_result(corpus, "acoustic", skill=0.1)
    second = make_mosei_result(corpus, "language", (1, 2, 3), skill=0.95)
    whole_dialogue = [f"test_dia22_utt{turn}" for turn in range(8)]
    altered_results.leave_out(first, whole_dialogue, "language")
    altered_results.leave_out(second, ["test_dia25_utt0", "test_dia25_utt3"], "language")
    rows = scored(tmp_path, [first, second], corpus).differences
    tables = [
        pd.read_parquet(folder / "predictions.parquet").query("split == 'test'")
        for folder in (first, second)
    ]
    common = set(tables[0]["utterance_id"]) & set(tables[1]["utterance_id"])
    means = []
    for table in tables:
        table = table[table["utterance_id"].isin(common)]
        runs = [
            expected(present(run["labels"]), present(run["predicted"]))
            for _, run in table.groupby("seed")
        ]
        means.append(pd.DataFrame(runs).mean())
    assert rows["seed"].isna().all()
    assert set(zip(rows["first"], rows["second"], strict=True)) == {("acoustic", "language")}
    assert by_class(rows).to_dict() == pytest.approx((means[0] - means[1]).to_dict())
    assert set(rows["n"]) == {len(common)} == {8 * 8 - 8 - 2}
    assert by_class(rows, "high")["uar", "mean"] < 0
    assert by_class(rows, "p")["uar", "mean"] == pytest.approx(2 / 201)
    assert rows["p"].between(2 / 201 - 1e-9, 1).all()


def test_equal_predictions_of_several_seeds_do_not_differ(tmp_path, make_mosei, make_mosei_result):
    corpus = make_mosei()
    first = make_mosei_result(corpus, "acoustic", (1,))
    second = make_mosei_result(corpus, "language", (1, 2, 3))
    rows = pd.read_parquet(first / "predictions.parquet")
    same = pd.concat([rows.assign(seed=seed) for seed in (1, 2, 3)])
    altered_results.predictions(second, lambda _: same)
    differences = scored(tmp_path, [first, second], corpus).differences
    assert (differences["p"] == 1).all() and not differences["low"].any()


def test_fusion_has_no_epoch(tmp_path, make_mosei, make_mosei_result):
    corpus = make_mosei()
    folder = make_mosei_result(corpus)
    for number in (0, 1):
        altered_results.run(folder, number, selected_epochs=())
    scores = scored(tmp_path, [folder], corpus).scores
    assert "selected_epoch" not in set(scores["metric"])
