"""A corpus in which several emotions may be present at once, and predictions of known quality."""

import json

import numpy as np
import pandas as pd
import pytest

from merflow import artifacts
from merflow.corpora.labels import CLASSES
from merflow.store import read_metadata, read_table, write_table

MOSEI = CLASSES["mosei"]
SHARES = np.array([0.6, 0.3, 0.25, 0.1, 0.2, 0.1])  # happy is present more often than not; many utterances have no emotion


@pytest.fixture
def make_mosei(make_corpus):
    """As `make_corpus`, with any of six emotions, or none, per utterance."""

    def make(**changes):
        path = make_corpus(name="mosei", **changes) / "utterances.parquet"
        rows, about = read_table(path, artifacts.UTTERANCES), read_metadata(path, artifacts.UTTERANCES)
        present = np.random.default_rng(8).random((len(rows), 6)) < SHARES
        rows["labels"] = [[name for name, there in zip(MOSEI, row, strict=True) if there] for row in present]
        write_table(path, rows, artifacts.UTTERANCES, about)
        return path.parent

    return make


@pytest.fixture
def make_mosei_result(tmp_path):
    """Predictions that know each emotion of an utterance with probability `skill` and guess otherwise."""

    def make(corpus, system="language", seeds=(1, 2), skill=0.5):
        utterances = read_table(corpus / "utterances.parquet", artifacts.UTTERANCES)
        splits = read_table(corpus / "splits.parquet", artifacts.SPLITS).query("split != 'train'")
        tables = []
        for seed in seeds:
            rng = np.random.default_rng([seed, *system.encode()])
            rows = splits.merge(utterances[["utterance_id", "labels"]], on="utterance_id")
            true = np.array([np.isin(MOSEI, list(labels)) for labels in rows["labels"]])
            found = np.where(rng.random(true.shape) < skill, true, rng.random(true.shape) < SHARES)
            probabilities = np.where(found, 0.5, 0) + rng.uniform(0, 0.49, true.shape)
            predicted = [[name for name, there in zip(MOSEI, row, strict=True) if there] for row in found]
            tables.append(rows.assign(seed=seed, predicted=predicted, probabilities=list(probabilities.astype("float32"))))
        folder = tmp_path / "results" / "class_weight_lstm" / system / f"{corpus.name}-clean"
        table = pd.concat(tables)[artifacts.PREDICTIONS.names]
        write_table(folder / "predictions.parquet", table, artifacts.PREDICTIONS, {"classes": list(MOSEI)})
        run = {"paper": "class_weight_lstm", "system": system, "corpus": corpus.name, "source": "demo", "protocol": "clean"}
        run |= {"scheme": "official", "classes": {name: name for name in MOSEI}}
        run |= {"inputs": {"language": "glove_aligned"}, "left_out": {"language": []}}
        pairs = table[["fold", "seed"]].drop_duplicates().sort_values(["fold", "seed"])
        run |= {"runs": [{"fold": int(f), "seed": int(s), "selected_epoch": [1, 2, 3, 4, 5, int(s)]} for f, s in pairs.to_numpy()]}
        (folder / "run.json").write_text(json.dumps(run))
        return folder

    return make
