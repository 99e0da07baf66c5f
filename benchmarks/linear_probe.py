"""Unweighted average recall of a linear classifier on a feature, beside chance.

Scaler and ridge classifier (its strength by leave-one-out) are fitted on the train split of each
fold, and the test splits are pooled. Sequences are averaged over time. The interval resamples
speakers. Needs the corpus and the feature in data/, made by the workflow:

    python benchmarks/linear_probe.py ravdess compare_2016 --scheme actors
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from merflow import artifacts
from merflow.corpora.labels import CLASSES
from merflow.evaluation.intervals import Sample, seed_mean
from merflow.evaluation.metrics import names
from merflow.params import EvaluationParams
from merflow.store import read_features, read_table


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", choices=["meld", "iemocap", "ravdess"])
    parser.add_argument("features", nargs="+")
    parser.add_argument("--scheme", default="official")
    parser.add_argument("--data", type=Path, default=Path("data"))
    arguments = parser.parse_args()

    prepared = arguments.data / "corpora" / arguments.corpus
    utterances = read_table(prepared / "utterances.parquet", artifacts.UTTERANCES)
    splits = read_table(prepared / "splits.parquet", artifacts.SPLITS)
    members = splits[splits["scheme"] == arguments.scheme].merge(utterances, on="utterance_id")
    members["label"] = members["labels"].str[0]
    classes = list(CLASSES[arguments.corpus])
    for feature in arguments.features:
        arrays = read_features(
            arguments.data / "features" / arguments.corpus / f"{feature}.parquet"
        )
        vectors = {utterance_id: values.mean(axis=0) for utterance_id, values in arrays.items()}
        usable = members[members["utterance_id"].isin(vectors)]
        speakers = sorted(usable["speaker"].unique())
        counts = np.zeros((len(speakers), 1, len(classes), len(classes)))
        for _, fold in usable.groupby("fold"):
            fitted = make_pipeline(
                StandardScaler(), RidgeClassifierCV(np.logspace(0, 5, 11), class_weight="balanced")
            )
            train, test = (fold[fold["split"] == split] for split in ("train", "test"))
            fitted.fit(np.stack([vectors[name] for name in train["utterance_id"]]), train["label"])
            predicted = fitted.predict(np.stack([vectors[name] for name in test["utterance_id"]]))
            rows = zip(test["speaker"], test["label"], predicted, strict=True)
            for speaker, label, prediction in rows:
                cell = classes.index(label), classes.index(prediction)
                counts[speakers.index(speaker), 0, *cell] += 1
        mean, _, (low, high) = seed_mean(
            Sample(counts, EvaluationParams(resamples=1000, confidence=0.95, seed=1))
        )
        uar = names(tuple(classes)).index(("uar", None))
        present = int((counts.sum(axis=(0, 1, 3)) > 0).sum())
        interval = f"[{low[uar]:.3f}, {high[uar]:.3f}]"
        print(
            f"{arguments.corpus} {feature}: UAR {mean[uar]:.3f} {interval}, "
            f"chance {1 / present:.3f}; {int(counts.sum())} test utterances of "
            f"{len(speakers)} speakers, {usable['fold'].nunique()} folds ({arguments.scheme})"
        )


if __name__ == "__main__":
    main()
