"""Small multi-label corpus whose words name the emotions, and jobs of class_weight_lstm on it."""

from pathlib import Path

import numpy as np
import pandas as pd

from merflow import artifacts
from merflow.corpora.labels import CLASSES
from merflow.papers.class_weight_lstm import SYSTEMS
from merflow.paths import Inputs
from merflow.store import read_table, write_features, write_table
from merflow.training.gather import gather
from merflow.training.job import Job
from merflow.training.run import train
from support.tiny_systems import protocol

EMOTIONS = CLASSES["mosei"]
IDS = [f"u{i:02}" for i in range(96)]
IDS_OF = {"train": IDS[:48], "dev": IDS[48:72], "test": IDS[72:]}
SPLIT = {key: split for split, ids in IDS_OF.items() for key in ids}
PREDICTED = [*IDS_OF["dev"], *IDS_OF["test"]]
FEATURES = {"acoustic": "covarep", "visual": "facet", "language": "glove_aligned"}
DIMS = {"covarep": 5, "facet": 4, "glove_aligned": 6}
ABSENT = {"covarep": ("u60", "u90"), "facet": ("u03",), "glove_aligned": ()}
LEFT_OUT = {name: ABSENT[feature] for name, feature in FEATURES.items()}
PREDICTED_BY_ALL = [key for key in PREDICTED if key not in ("u60", "u90")]
UNIMODAL = ["acoustic", "visual", "language"]
FUSIONS = ["late_fusion", "deep_fusion", "tensor_fusion"]
DENSE, EPOCHS = 8, 6
TRAINING = {
    "batch_size": 6,
    "learning_rate": 0.03,
    "weight_decay": 0.0,
    "epochs": EPOCHS,
    "schedule": "constant",
    "warmup": 0.0,
    "patience": None,
    "class_weights": True,
}
LSTM = {"layers": 2, "units": 8, "dense": DENSE, "dropout": 0.0}
NETWORKS = dict.fromkeys([*UNIMODAL, "early_fusion"], LSTM) | {
    "late_fusion": {"dense": 3},
    "deep_fusion": {"dense": 4},
    "tensor_fusion": {},
}
SCALED = {"acoustic": {"scale": "standard"}, "visual": {"scale": "none"}}


def write_labels(data: Path, labels: dict[str, list[str]]) -> None:
    rows = [
        dict.fromkeys(artifacts.UTTERANCES.names)
        | {"utterance_id": key, "dialogue_id": key, "turn": 0, "speaker": key, "labels": of_key}
        for key, of_key in labels.items()
    ]
    path = data / "corpora/mosei/utterances.parquet"
    write_table(path, pd.DataFrame(rows), artifacts.UTTERANCES, {"source": "demo"})


def write_store(data: Path, feature: str, words: dict[str, np.ndarray]) -> None:
    path = data / f"features/mosei/{feature}.parquet"
    specification = {"feature": feature, "params": {}, "code": "c0", "versions": {}}
    write_features(path, sorted(words.items()), specification)


def results(data: Path, system: str) -> Path:
    return data / "results/class_weight_lstm" / system / "mosei-clean"


def make_job(data: Path, name: str, seeds=(1,), select="dev", training=None, **changes) -> Job:
    system = SYSTEMS[name]
    inputs = [data / "corpora/mosei/utterances.parquet", data / "corpora/mosei/splits.parquet"]
    inputs += [data / f"features/mosei/{FEATURES[key]}.parquet" for key in system.inputs]
    inputs += [results(data, member) / "predictions.parquet" for member in system.members]
    params = {
        "inputs": {key: SCALED[key] for key in system.transformers},
        "network": NETWORKS[name],
        "training": TRAINING | (training or {}),
    }
    fields = {
        "paper": "class_weight_lstm",
        "system": name,
        "corpus": "mosei",
        "protocol": "clean",
        "params": params,
        "protocol_params": protocol(select=select, seeds=seeds, corpus="mosei"),
        "features": FEATURES,
        "n_classes": None,
        "precision": "fp32",
        "keep_weights": True,
        "code": "c0",
        "inputs": inputs,
    }
    fields |= changes
    return Job(**fields | {"inputs": Inputs.of(fields["inputs"])})


def trained(data: Path, system: str, out: Path, **changes) -> Path:
    """Folder of the only run (fold 0, seed 1)."""
    train(make_job(data, system, **changes), 0, 1, out)
    (folder,) = out.iterdir()
    return folder


def build(data: Path) -> None:
    """Write corpus, features and unimodal results of two seeds.

    Half of the utterances are train, a quarter dev, a quarter test.
    """
    rng = np.random.default_rng(3)
    present = rng.random((len(IDS), 6)) < 0.3
    labels = [[EMOTIONS[k] for k in np.flatnonzero(row)] for row in present]
    write_labels(data, dict(zip(IDS, labels, strict=True)))
    splits = pd.DataFrame({"utterance_id": IDS, "scheme": "official", "fold": 0})
    splits = splits.assign(split=[SPLIT[key] for key in IDS])
    write_table(data / "corpora/mosei/splits.parquet", splits, artifacts.SPLITS)
    lengths = rng.integers(1, 5, len(IDS))
    for feature, dim in DIMS.items():
        words = {
            key: (rng.normal(size=(n, dim)) + 4 * row[:dim] - 2).astype("float32")
            for key, n, row in zip(IDS, lengths, present, strict=True)
        }
        for key in ABSENT[feature]:
            del words[key]
        write_store(data, feature, words)
    for system in UNIMODAL:
        train(make_job(data, system, seeds=(1, 2)), 0, 1, data / "runs" / system)
        gather([data / "runs" / system], results(data, system))


def predictions(folder: Path) -> pd.DataFrame:
    return read_table(folder / "predictions.parquet", artifacts.PREDICTIONS)


def labels_of(data: Path) -> dict[str, list[str]]:
    path = data / "corpora/mosei/utterances.parquet"
    rows = read_table(path, artifacts.UTTERANCES, ["utterance_id", "labels"])
    return {key: list(labels) for key, labels in rows.itertuples(index=False)}


def present_in(column: pd.Series) -> np.ndarray:
    """Presence of each emotion (N, 6) in lists of names."""
    return np.array([np.isin(EMOTIONS, list(names)) for names in column])


def weights(folder: Path, seed: int = 1) -> bytes:
    return (folder / f"weights/0-{seed}.safetensors").read_bytes()
