"""Linear classifiers: pooled, standardised features; strengths chosen on dev or inside train."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, recall_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support.multi_label_corpus import EMOTIONS, build, labels_of, make_job
from support.tiny_systems import protocol

from merflow import artifacts
from merflow.corpora.labels import CLASSES
from merflow.errors import ParamsError
from merflow.params import LinearParams
from merflow.records import Record
from merflow.store import read_table
from merflow.training import linear
from merflow.training.job import Job
from merflow.training.linear import Data, choose, pool
from merflow.training.run import train

PARAMS = {"strengths": [1e-3, 10.0, 0.1], "class_weights": False}


def data(n=60, seed=0, noise=1.0, n_classes=3, dim=12):
    """Examples of ten dialogues, whose first columns name the class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, n)
    vectors = rng.normal(scale=noise, size=(n, dim)).astype("float32")
    vectors[np.arange(n), labels] += 2
    dialogues = np.array([f"d{i % 10}" for i in range(n)])
    return Data([f"u{i}" for i in range(n)], vectors, labels, dialogues)


def chosen(splits, is_multi_label=False, **changes):
    n_classes = 3 if splits["train"].labels.ndim == 1 else splits["train"].labels.shape[1]
    return choose(splits, LinearParams(**PARAMS | changes), n_classes, is_multi_label)


def reference(strength, of_train, vectors, **changes):
    """Probabilities by scikit-learn alone."""
    classifier = LogisticRegression(
        C=1 / (strength * len(of_train.labels)), max_iter=1000, tol=1e-6, **changes
    )
    pipeline = make_pipeline(StandardScaler(), classifier)
    return pipeline.fit(of_train.vectors.astype(float), of_train.labels).predict_proba(vectors)


SPLITS = {"train": data(), "dev": data(40, 1, 2.0), "test": data(40, 2, 2.0)}


def test_frames_are_pooled_to_mean_and_deviation():
    frames = {"a": np.array([[1.0, 2.0], [3.0, 2.0]], "f4"), "b": np.array([[5.0, 6.0]], "f4")}
    pooled = pool(frames)
    assert pooled["a"].tolist() == [2.0, 2.0, 1.0, 0.0]
    assert pooled["b"].tolist() == [5.0, 6.0, 0.0, 0.0]
    assert pool({"b": frames["b"]})["b"].tolist() == [5.0, 6.0]


def test_the_strength_with_the_best_score_on_dev_is_taken():
    choice = chosen(SPLITS)
    scores = {}
    for strength in PARAMS["strengths"]:
        predicted = reference(strength, SPLITS["train"], SPLITS["dev"].vectors).argmax(axis=1)
        scores[strength] = f1_score(SPLITS["dev"].labels, predicted, average="weighted")
    assert choice.strengths == (max(scores, key=scores.__getitem__),)
    assert len(set(scores.values())) == 3
    assert choice.chosen_on == "dev"
    for name in ("dev", "test"):
        expected = reference(*choice.strengths, SPLITS["train"], SPLITS[name].vectors)
        np.testing.assert_allclose(choice.probabilities[name], expected, atol=2e-3)


def test_more_columns_than_examples_change_nothing():
    """Columns are rotated away where there are many; the classifier is the same."""
    wide = {name: data(30, seed, dim=200) for seed, name in enumerate(("train", "dev", "test"))}
    choice = chosen(wide, strengths=[0.01])
    expected = reference(0.01, wide["train"], wide["test"].vectors)
    assert linear._rotated(wide["train"].vectors, wide["test"].vectors)[0].shape == (30, 30)
    np.testing.assert_allclose(choice.probabilities["test"], expected, atol=1e-2)


def test_test_changes_neither_strength_nor_dev():
    other = data(40, 3)
    other = other._replace(labels=2 - other.labels, vectors=100 * other.vectors)
    before, after = chosen(SPLITS), chosen(SPLITS | {"test": other})
    assert before.strengths == after.strengths
    np.testing.assert_array_equal(before.probabilities["dev"], after.probabilities["dev"])


def test_of_equal_scores_the_strongest_is_taken():
    easy = {"train": data(noise=0.01), "dev": data(40, 1, 0.01)}
    assert chosen(easy, strengths=[1e-3, 0.1, 1e-2]).strengths == (0.1,)


def test_without_dev_dialogues_of_train_are_held_out(monkeypatch):
    seen = []
    logits = linear._Path.logits

    def noted(self, train, vectors):
        seen.append((train.vectors.shape[0], [len(values) for values in vectors]))
        return logits(self, train, vectors)

    monkeypatch.setattr(linear._Path, "logits", noted)
    splits = {name: SPLITS[name] for name in ("train", "test")}
    choice = chosen(splits)
    assert choice.chosen_on == "train" and list(choice.probabilities) == ["test"]
    assert seen == [(60, [40]), *[(48, [12])] * 5]  # two dialogues of ten


def test_a_dialogue_is_never_on_both_sides_of_a_fold():
    """Vectors that name their dialogue, whose label is drawn: any strength is at chance."""
    rng = np.random.default_rng(0)
    names = np.repeat(np.arange(30), 8)
    labels = rng.integers(0, 2, 30)[names]
    vectors = np.eye(30, dtype="float32")[names]
    split = Data([str(i) for i in range(240)], vectors, labels, names)
    path = linear._Path([1e-3], 2, False)
    accuracy = (linear._cross_validated(path, split)[0].argmax(axis=1) == labels).mean()
    assert accuracy < 0.7
    apart = split._replace(dialogues=np.arange(240))
    assert (linear._cross_validated(path, apart)[0].argmax(axis=1) == labels).all()


def test_constant_columns_change_nothing():
    with_constants = {
        name: split._replace(
            vectors=np.concatenate(
                [split.vectors, np.full((len(split.ids), 2), [0.0, 7.0], "f4")], axis=1
            )
        )
        for name, split in SPLITS.items()
    }
    plain, padded = chosen(SPLITS), chosen(with_constants)
    assert plain.strengths == padded.strengths
    np.testing.assert_allclose(plain.probabilities["test"], padded.probabilities["test"], atol=1e-5)


def test_a_class_that_train_lacks_has_no_probability():
    of_train = SPLITS["train"]._replace(labels=SPLITS["train"].labels.clip(max=1))
    values = chosen(SPLITS | {"train": of_train}).probabilities["test"]
    assert (values[:, 2] == 0).all() and (values[:, :2] > 0).all()
    one = SPLITS["train"]._replace(labels=np.ones(60, int))
    values = chosen(SPLITS | {"train": one}).probabilities["test"]
    assert values.tolist() == [[0.0, 1.0, 0.0]] * 40


def multi_label(split):
    """Two classes that are there where the first columns are high, and one that is never."""
    labels = np.zeros((len(split.ids), 3), "float32")
    labels[:, :2] = split.vectors[:, :2] > 2.0
    return split._replace(labels=labels)


@pytest.mark.parametrize("class_weights", [True, False])
def test_each_class_of_several_is_a_classifier_of_its_own(class_weights):
    splits = {name: multi_label(split) for name, split in SPLITS.items()}
    choice = chosen(splits, is_multi_label=True, class_weights=class_weights)
    assert len(choice.strengths) == 3
    weight = "balanced" if class_weights else None
    for k in (0, 1):
        alone = splits["train"]._replace(labels=splits["train"].labels[:, k].astype(int))
        scores = {}
        for strength in (10.0, 0.1, 1e-3):
            values = reference(strength, alone, splits["dev"].vectors, class_weight=weight)[:, 1]
            scores[strength] = recall_score(
                splits["dev"].labels[:, k], values > 0.5, average="macro"
            )
        assert choice.strengths[k] == max(scores, key=scores.__getitem__)
        expected = reference(
            choice.strengths[k], alone, splits["test"].vectors, class_weight=weight
        )
        np.testing.assert_allclose(choice.probabilities["test"][:, k], expected[:, 1], atol=0.02)
    assert (choice.probabilities["test"][:, 2] == 0).all()


# --- the step train


def test_seeds_of_a_fold_have_equal_rows_and_are_fitted_once(job, tmp_path, monkeypatch):
    fitted = []
    monkeypatch.setattr(linear, "choose", lambda *args: fitted.append(args) or choose(*args))
    changes = {"params": PARAMS, "protocol_params": protocol(seeds=(1, 2))}
    train(job(speech=True, system="linear_speech", **changes), 0, 1, tmp_path / "out")
    assert len(fitted) == 1
    folders = sorted((tmp_path / "out").iterdir())
    first, second = (
        read_table(folder / "predictions.parquet", artifacts.PREDICTIONS) for folder in folders
    )
    assert (set(first["seed"]), set(second["seed"])) == ({1}, {2})
    pd.testing.assert_frame_equal(first.drop(columns="seed"), second.drop(columns="seed"))
    pairs = zip(first["predicted"], first["labels"], strict=True)
    assert np.mean([predicted[0] == labels[0] for predicted, labels in pairs]) > 0.9
    record = Record.read(folders[0])
    assert record.left_out == {"speech": ("u005", "u100")}
    assert record.input_labels == {"speech": "is13"}
    (run,) = record.runs
    assert run.strengths[0] in PARAMS["strengths"] and run.strengths_chosen_on == "dev"
    assert not list(folders[0].glob("weights/*"))
    assert len(first.loc[0, "probabilities"]) == len(CLASSES["meld"])


def test_a_linear_classifier_of_several_classes_and_inputs(tmp_path):
    build(tmp_path / "data")
    early = make_job(tmp_path / "data", "early_fusion")
    params = PARAMS | {"class_weights": True}
    train(Job(**vars(early) | {"system": "linear_early", "params": params}), 0, 1, tmp_path / "out")
    (folder,) = (tmp_path / "out").iterdir()
    rows = read_table(folder / "predictions.parquet", artifacts.PREDICTIONS)
    labels = labels_of(tmp_path / "data")
    predicted = np.array([np.isin(EMOTIONS, names) for names in rows["predicted"]])
    expected = np.array([np.isin(EMOTIONS, labels[key]) for key in rows["utterance_id"]])
    recalls = [recall_score(expected[:, k], predicted[:, k], average="macro") for k in range(6)]
    assert np.mean(recalls) > 0.75  # chance: 0.5
    (run,) = Record.read(folder).runs
    assert len(run.strengths) == 6


@pytest.mark.parametrize("strengths", [[], [0.0], [-1.0]])
def test_impossible_strengths_are_refused(job, tmp_path, strengths):
    params = PARAMS | {"strengths": strengths}
    with pytest.raises(ParamsError, match="strengths"):
        train(job(speech=True, system="linear_speech", params=params), 0, 1, tmp_path / "out")
