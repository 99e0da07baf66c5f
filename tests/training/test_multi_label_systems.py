"""The step ``train`` for multi-label systems: those of class_weight_lstm on a small corpus like MOSEI."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import recall_score

from merflow import artifacts
from merflow.corpora.labels import CLASSES
from merflow.errors import CorpusError, ParamsError, StoreError
from merflow.papers.class_weight_lstm import SYSTEMS
from merflow.store import read_features, read_metadata, read_table, write_features, write_table
from merflow.training import loop
from merflow.training.batches import Examples
from merflow.training.gather import gather
from merflow.training.job import Job
from merflow.training.loop import predict
from merflow.training.run import train

EMOTIONS = CLASSES["mosei"]
IDS = [f"u{i:02}" for i in range(96)]
TRAIN, DEV, TEST = IDS[:48], IDS[48:72], IDS[72:]
PART = {
    key: part for part, keys in {"train": TRAIN, "dev": DEV, "test": TEST}.items() for key in keys
}
FEATURES = {"acoustic": "covarep", "visual": "facet", "language": "glove_aligned"}
DIMS = {"covarep": 5, "facet": 4, "glove_aligned": 6}
ABSENT = {"covarep": ["u60", "u90"], "facet": ["u03"], "glove_aligned": []}
LEFT_OUT = {"acoustic": ["u60", "u90"], "visual": ["u03"], "language": []}
UNIMODAL, FUSIONS = (
    ["acoustic", "visual", "language"],
    ["late_fusion", "deep_fusion", "tensor_fusion"],
)
DENSE, EPOCHS = 8, 6
TRAINING = {"batch_size": 6, "learning_rate": 0.03, "weight_decay": 0.0, "epochs": EPOCHS}
TRAINING |= {"schedule": "constant", "warmup": 0.0, "patience": None, "class_weights": True}
LSTM = {"layers": 2, "units": 8, "dense": DENSE, "dropout": 0.0}
NETWORKS = dict.fromkeys([*UNIMODAL, "early_fusion"], LSTM) | {
    "late_fusion": {"dense": 3},
    "deep_fusion": {},
    "tensor_fusion": {},
}
SCALED = {"acoustic": {"scale": "standard"}, "visual": {"scale": "none"}}


def write_labels(data: Path, labels: dict[str, list[str]]) -> None:
    rows = [
        dict.fromkeys(artifacts.UTTERANCES.names)
        | {"utterance_id": key, "dialogue_id": key, "turn": 0, "speaker": key, "labels": found}
        for key, found in labels.items()
    ]
    write_table(
        data / "corpora/mosei/utterances.parquet",
        pd.DataFrame(rows),
        artifacts.UTTERANCES,
        {"source": "demo"},
    )


def write_store(data: Path, feature: str, words: dict[str, np.ndarray]) -> None:
    write_features(
        data / f"features/mosei/{feature}.parquet", sorted(words.items()), {"feature": feature}
    )


def results(data: Path, system: str) -> Path:
    return data / "results/class_weight_lstm" / system / "mosei-clean"


def make_job(data: Path, system: str, seeds=(1,), select="dev", training=None, **changes) -> Job:
    row = SYSTEMS[system]
    inputs = [data / "corpora/mosei/utterances.parquet", data / "corpora/mosei/splits.parquet"]
    inputs += [data / f"features/mosei/{FEATURES[name]}.parquet" for name in row.inputs]
    inputs += [results(data, name) / "predictions.parquet" for name in row.members]
    settings = {
        "inputs": {name: SCALED[name] for name in row.fitted},
        "network": NETWORKS[system],
        "training": TRAINING | (training or {}),
    }
    call = {
        "paper": "class_weight_lstm",
        "system": system,
        "corpus": "mosei",
        "protocol": "clean",
        "settings": settings,
    }
    call |= {
        "how": {"scheme": {"mosei": "official"}, "select": select, "seeds": list(seeds)},
        "features": FEATURES,
        "n_classes": None,
    }
    return Job(
        **call
        | {"precision": "fp32", "keep_weights": True, "code": "c0", "inputs": inputs}
        | changes
    )


def trained(data: Path, system: str, out: Path, **changes) -> Path:
    """Folder of the one run (fold 0, seed 1)."""
    train(make_job(data, system, **changes), 0, 1, out)
    (folder,) = out.iterdir()
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """Half train, a quarter dev, a quarter test; the words tell the emotions; unimodal results of two seeds. Not to be changed."""
    data, rng = tmp_path_factory.mktemp("whole"), np.random.default_rng(3)
    present = rng.random((len(IDS), 6)) < 0.3
    write_labels(
        data,
        {
            key: [EMOTIONS[k] for k in np.flatnonzero(row)]
            for key, row in zip(IDS, present, strict=True)
        },
    )
    splits = pd.DataFrame(
        {"utterance_id": IDS, "scheme": "official", "fold": 0, "split": [PART[key] for key in IDS]}
    )
    write_table(data / "corpora/mosei/splits.parquet", splits, artifacts.SPLITS)
    lengths = rng.integers(1, 5, len(IDS))
    for feature, dim in DIMS.items():
        words = {
            key: (rng.normal(size=(n, dim)) + 4 * row[:dim] - 2).astype("float32")
            for key, n, row in zip(IDS, lengths, present, strict=True)
        }
        write_store(
            data,
            feature,
            {key: values for key, values in words.items() if key not in ABSENT[feature]},
        )
    for system in UNIMODAL:
        train(make_job(data, system, seeds=(1, 2)), 0, 1, data / "runs" / system)
        gather([data / "runs" / system], results(data, system))
    return data


@pytest.fixture
def data(whole, tmp_path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(whole, tmp_path / "data"))


def predictions(folder: Path) -> pd.DataFrame:
    return read_table(folder / "predictions.parquet", artifacts.PREDICTIONS)


def labels_of(data: Path) -> dict[str, list[str]]:
    rows = read_table(
        data / "corpora/mosei/utterances.parquet", artifacts.UTTERANCES, ["utterance_id", "labels"]
    )
    return {key: list(labels) for key, labels in rows.itertuples(index=False)}


def weights(folder: Path, seed: int = 1) -> bytes:
    return (folder / f"weights/0-{seed}.safetensors").read_bytes()


# --- the first stage


def test_predictions_are_the_emotions_of_a_probability_of_a_half_and_more(whole):
    folder = results(whole, "language")
    rows, labels = predictions(folder), labels_of(whole)
    assert rows["utterance_id"].tolist() == [*DEV, *TEST] * 2
    assert rows["split"].tolist() == (["dev"] * 24 + ["test"] * 24) * 2
    assert read_metadata(folder / "predictions.parquet", artifacts.PREDICTIONS)["classes"] == list(
        EMOTIONS
    )
    probabilities = np.stack(rows["probabilities"])
    assert probabilities.shape == (96, 6)
    for row in rows.itertuples():
        assert list(row.labels) == labels[row.utterance_id]
        assert list(row.predicted) == [
            name for name, p in zip(EMOTIONS, row.probabilities, strict=True) if p >= 0.5
        ]
    for column in ("labels", "predicted"):  # none, one and several
        assert {0, 1, 2} <= set(map(len, rows[column]))
    assert np.ptp(probabilities.sum(axis=1)) > 0.5  # no distribution over the emotions
    truth = np.array([np.isin(EMOTIONS, list(found)) for found in rows["labels"]])
    assert (
        np.mean(
            [
                recall_score(y, p >= 0.5, average="macro")
                for y, p in zip(truth.T, probabilities.T, strict=True)
            ]
        )
        > 0.75
    )  # chance: 0.5


def test_each_emotion_has_its_own_epoch_and_the_predictions_are_those_of_it(whole):
    folder = results(whole, "language")
    record, labels = json.loads((folder / "run.json").read_text()), labels_of(whole)
    assert record["classes"] == {name: name for name in EMOTIONS}
    assert record["left_out"] == {"language": []}
    rows = predictions(folder).query("split == 'dev'")
    for one in record["runs"]:
        assert [entry["epoch"] for entry in one["history"]] == list(range(1, EPOCHS + 1))
        scores, losses = (
            np.array([entry["tasks"][name] for entry in one["history"]])
            for name in ("dev_uar", "dev_loss")
        )
        assert scores.shape == losses.shape == (EPOCHS, 6)
        assert [entry["dev_uar"] for entry in one["history"]] == pytest.approx(scores.mean(axis=1))
        assert [entry["dev_loss"] for entry in one["history"]] == pytest.approx(losses.mean(axis=1))
        assert one["selected_epoch"] == (1 + scores.argmax(axis=0)).tolist()
        mine = rows[rows["seed"] == one["seed"]]
        for k, (name, epoch) in enumerate(zip(EMOTIONS, one["selected_epoch"], strict=True)):
            truth, chosen = (
                np.array([name in found for found in mine[column]])
                for column in ("labels", "predicted")
            )
            assert recall_score(truth, chosen, average="macro") == pytest.approx(
                scores[epoch - 1, k]
            )
            n = sum(name in labels[key] for key in TRAIN)
            weight = np.where(
                truth, len(TRAIN) / (2 * n), len(TRAIN) / (2 * (len(TRAIN) - n))
            )  # w_i = n / (k n_i)
            present = np.stack(mine["probabilities"])[:, k].astype(float)
            assert np.mean(
                weight * -np.log(np.where(truth, present, 1 - present))
            ) == pytest.approx(losses[epoch - 1, k], rel=1e-3)
    assert len({epoch for one in record["runs"] for epoch in one["selected_epoch"]}) > 1


@pytest.mark.parametrize("system", UNIMODAL)
def test_hidden_activations_of_all_parts_are_kept_and_gathered(whole, system):
    folder = results(whole, system)
    assert sorted(file.name for file in (folder / "hidden").iterdir()) == [
        "0-1.parquet",
        "0-2.parquet",
    ]
    rows = predictions(folder)
    for seed in (1, 2):
        kept = read_features(folder / f"hidden/0-{seed}.parquet")
        assert list(kept) == [key for key in IDS if key not in LEFT_OUT[system]]
        values = np.stack(list(kept.values()))
        assert values.shape[1:] == (6, DENSE + 1)
        assert (values[..., :DENSE] >= 0).all()
        logits = {key: torch.tensor(value[:, DENSE]) for key, value in kept.items()}
        mine = rows[rows["seed"] == seed]
        assert len(mine) == 48 - sum(PART[key] != "train" for key in LEFT_OUT[system])
        for key, probabilities in mine[["utterance_id", "probabilities"]].itertuples(index=False):
            np.testing.assert_allclose(logits[key].sigmoid(), probabilities, atol=1e-6)


def test_gather_drops_the_hidden_activations_that_were_there(whole, tmp_path):
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden/0-9.parquet").touch()
    gather([whole / "runs/acoustic"], tmp_path)
    assert sorted(file.name for file in (tmp_path / "hidden").iterdir()) == [
        "0-1.parquet",
        "0-2.parquet",
    ]
    for seed in (1, 2):
        (made,) = (whole / "runs/acoustic").glob(f"fold0-seed{seed}-*")
        assert (tmp_path / f"hidden/0-{seed}.parquet").read_bytes() == (
            made / f"hidden/0-{seed}.parquet"
        ).read_bytes()


def test_class_weights_make_another_network(whole, tmp_path):
    weighted = trained(whole, "acoustic", tmp_path / "weighted")
    unweighted = trained(
        whole, "acoustic", tmp_path / "unweighted", training={"class_weights": False}
    )
    assert weights(weighted) == weights(
        results(whole, "acoustic")
    )  # the run of that seed among others is the same alone
    assert weights(unweighted) != weights(weighted)
    rates = [
        np.mean([len(found) for found in predictions(folder)["predicted"]])
        for folder in (unweighted, weighted)
    ]
    assert rates[0] < rates[1]  # weights favour what is rare: that an emotion is present


def test_early_fusion_takes_the_utterances_that_have_all_modalities(whole, tmp_path):
    folder = trained(whole, "early_fusion", tmp_path / "run")
    assert predictions(folder)["utterance_id"].tolist() == [
        key for key in [*DEV, *TEST] if key not in ("u60", "u90")
    ]
    assert json.loads((folder / "run.json").read_text())["left_out"] == LEFT_OUT
    assert load_file(folder / "weights/0-1.safetensors")["lstm.weight_ih_l0"].shape == (
        6,
        4 * 8,
        4 + 5 + 6,
    )
    assert not (folder / "hidden").exists()


def test_early_fusion_refuses_unaligned_modalities_by_name(data, tmp_path):
    words = read_features(data / "features/mosei/glove_aligned.parquet")
    words |= {
        key: np.concatenate([words[key], words[key][:1]]) for key in ("u03", "u80", "u10")
    }  # u03 has no face anyway
    n = len(words["u10"])
    write_store(data, "glove_aligned", words)
    found = (
        f"u10: frames of visual {n - 1}, acoustic {n - 1}, language {n}; .*choose aligned features"
    )
    with pytest.raises(CorpusError, match=found):
        trained(data, "early_fusion", tmp_path / "run")
    trained(data, "language", tmp_path / "alone")  # which needs no other


# --- the second stage


@pytest.mark.parametrize("system", FUSIONS)
def test_the_second_stage_learns_from_the_hidden_activations_of_its_fold_and_seed(
    whole, tmp_path, system
):
    folder = trained(whole, system, tmp_path / "run", seeds=[2])
    record, rows, row = (
        json.loads((folder / "run.json").read_text()),
        predictions(folder),
        SYSTEMS[system],
    )
    assert record["left_out"] == LEFT_OUT
    assert record["inputs"] == FEATURES
    assert len(record["selected_epoch"]) == 6
    assert rows["utterance_id"].tolist() == [
        key for key in [*DEV, *TEST] if key not in ("u60", "u90")
    ]
    model = row.build(dict.fromkeys(row.members, DENSE + 1), 6, **NETWORKS[system])
    model.load_state_dict(load_file(folder / "weights/0-2.safetensors"))

    def expected(seed: int) -> np.ndarray:
        kept = {
            name: read_features(results(whole, name) / f"hidden/0-{seed}.parquet")
            for name in row.members
        }
        inputs = {
            name: [values[key] for key in rows["utterance_id"]] for name, values in kept.items()
        }
        examples = Examples(
            rows["utterance_id"].tolist(), inputs, np.zeros((len(rows), 6), "float32")
        )
        return predict(model.eval(), examples, torch.device("cpu")).sigmoid().numpy()

    np.testing.assert_allclose(np.stack(rows["probabilities"]), expected(2), atol=1e-6)
    assert np.abs(expected(1) - expected(2)).max() > 0.01
    assert not (folder / "hidden").exists()


def test_hidden_activations_that_lack_an_utterance_are_one_line(data, tmp_path):
    store = results(data, "visual") / "hidden/0-1.parquet"
    kept = read_features(store)
    lost = sorted(kept)[20]
    write_features(store, [(key, values) for key, values in kept.items() if key != lost], {})
    with pytest.raises(
        StoreError,
        match=rf"hidden/0-1.parquet: 1 utterances are not in the store, the first is {lost}",
    ):
        trained(data, "late_fusion", tmp_path / "run", seeds=[1])


def test_a_missing_member_is_one_line(data, tmp_path):
    inputs = [
        path for path in make_job(data, "late_fusion").inputs if path.parent.parent.name != "visual"
    ]
    with pytest.raises(
        ParamsError,
        match=r"^dvc.yaml: this stage does not depend on the results of visual; add them$",
    ):
        trained(data, "late_fusion", tmp_path / "run", inputs=inputs)
    with pytest.raises(
        StoreError, match=r"acoustic/mosei-clean/hidden/0-3.parquet: no such file"
    ) as error:
        trained(data, "late_fusion", tmp_path / "run", seeds=[3])
    assert "\n" not in str(error.value)
    (results(data, "visual") / "predictions.parquet").unlink()
    with pytest.raises(
        StoreError, match=r"visual/mosei-clean/predictions.parquet: no such file; .*run again$"
    ):
        trained(data, "late_fusion", tmp_path / "run")


def test_a_killed_second_stage_goes_on_to_the_same_bytes(whole, tmp_path, monkeypatch):
    unbroken = trained(whole, "tensor_fusion", tmp_path / "a")
    saved = []

    def killed_after_two(path, save=loop._save, **state):
        save(path, **state)
        saved.append(len(state["history"]))
        if len(saved) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "_save", killed_after_two)
    with pytest.raises(KeyboardInterrupt):
        trained(whole, "tensor_fusion", tmp_path / "b")
    assert not (tmp_path / "b").exists()
    again = trained(whole, "tensor_fusion", tmp_path / "b")
    assert saved == list(range(1, EPOCHS + 1))
    for name in ("predictions.parquet", "weights/0-1.safetensors"):
        assert (again / name).read_bytes() == (unbroken / name).read_bytes()


# --- what a network may see


def other_labels(data: Path, keys: list[str]) -> None:
    """Gives `keys` each emotion that they do not have, and none that they have."""
    labels = labels_of(data)
    write_labels(
        data, labels | {key: [name for name in EMOTIONS if name not in labels[key]] for key in keys}
    )


@pytest.mark.parametrize(("part", "select"), [("test", "dev"), ("dev", "last"), ("train", "last")])
def test_labels_and_words_of_a_part_change_the_network_only_if_it_may_see_them(
    whole, data, tmp_path, part, select
):
    """Class weights and scaling are counted on train alone; without selection on dev, its labels and words change nothing."""
    before = trained(whole, "early_fusion", tmp_path / "before", select=select)
    keys = [key for key in IDS if PART[key] == part]
    other_labels(data, keys)
    for feature in DIMS:
        words = read_features(data / f"features/mosei/{feature}.parquet")
        write_store(
            data,
            feature,
            {key: values * 50 - 7 if key in keys else values for key, values in words.items()},
        )
    after = trained(data, "early_fusion", tmp_path / "after", select=select)
    assert (weights(before) == weights(after)) == (part != "train")
    if part != "train":
        old, new = (
            predictions(folder).set_index("utterance_id")["probabilities"]
            for folder in (before, after)
        )
        assert {key for key in old.index if not np.array_equal(old[key], new[key])} == set(keys) - {
            "u60",
            "u90",
        }


@pytest.mark.parametrize(("part", "select"), [("test", "dev"), ("dev", "last"), ("train", "last")])
def test_the_second_stage_sees_no_more(whole, data, tmp_path, part, select):
    before = trained(whole, "late_fusion", tmp_path / "before", select=select)
    keys = [key for key in IDS if PART[key] == part]
    other_labels(data, keys)
    for system in UNIMODAL:
        path = results(data, system) / "hidden/0-1.parquet"
        write_features(
            path,
            sorted(
                (key, 5 - value if key in keys else value)
                for key, value in read_features(path).items()
            ),
            {},
        )
    after = trained(data, "late_fusion", tmp_path / "after", select=select)
    assert (weights(before) == weights(after)) == (part != "train")


# --- the wrong corpus


def test_a_bank_is_refused_where_each_utterance_has_one_label(whole, tmp_path):
    meld = {
        "corpus": "meld",
        "how": {"scheme": {"meld": "official"}, "select": "dev", "seeds": [1]},
    }
    with pytest.raises(
        ParamsError,
        match=r"^meld: its utterances carry one label, language takes several; .*run.class_weight_lstm$",
    ):
        trained(whole, "language", tmp_path / "run", **meld)
    late = {"paper": "joint_cnn", "system": "late_average", "settings": {}}
    with pytest.raises(
        ParamsError,
        match=r"^mosei: its utterances carry several labels, late_average takes one; .*run.joint_cnn$",
    ):
        train(Job(**vars(make_job(whole, "acoustic")) | late), 0, 1, tmp_path / "run")


def test_one_network_may_tell_all_emotions_and_has_one_epoch(whole, tmp_path):
    text = {
        "widths": [1, 2],
        "maps": 8,
        "text_dim": 8,
        "sequence": "positions",
        "lstm": 8,
        "hidden": [8, 8],
        "dropout": 0.0,
    }
    system = {"paper": "joint_cnn", "system": "text_lstm", "features": {"text": "glove_aligned"}}
    system |= {
        "settings": {"network": text, "training": TRAINING | {"epochs": 20, "learning_rate": 0.01}}
    }
    train(Job(**vars(make_job(whole, "language")) | system), 0, 1, tmp_path / "run")
    (folder,) = (tmp_path / "run").iterdir()
    record = json.loads((folder / "run.json").read_text())
    assert (
        isinstance(record["selected_epoch"], int)
        and len(record["history"][0]["tasks"]["dev_uar"]) == 1
    )
    assert max(one["dev_uar"] for one in record["history"]) > 0.7  # chance: 0.5
    rows = predictions(folder)
    for answer, probabilities in zip(rows["predicted"], rows["probabilities"], strict=True):
        assert list(answer) == [EMOTIONS[k] for k in np.flatnonzero(probabilities >= 0.5)]


def test_an_unknown_emotion_is_one_line(data, tmp_path):
    write_labels(data, labels_of(data) | {"u07": ["happy", "calm"]})
    with pytest.raises(
        CorpusError,
        match=r"^u07: expected labels of happy, sad, .*, found happy, calm; prepare it again$",
    ):
        trained(data, "language", tmp_path / "run")
