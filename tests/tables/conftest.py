"""Scores made by hand: every figure is a literal of its test."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations, product
from pathlib import Path
from statistics import fmean, stdev

import pandas as pd
import pytest

from merflow import artifacts
from merflow.corpora.labels import CLASSES, MULTI_LABEL
from merflow.evaluation.metrics import (
    ALONE,
    BALANCE,
    BINARY_METRICS,
    CLASS_METRICS,
    CORPUS,
    LOSS,
    METRICS,
    PAIR_METRICS,
    VERSUS,
    names,
    names_binary,
)
from merflow.evaluation.tasks import MultiClass, MultiLabel
from merflow.store import write_table

Figures = Mapping[str, float | Mapping[str, float]]
SETTINGS_USED = {"batch_size": 8, "learning_rate": 2.5e-5, "weight_decay": 0.0}
SIZES = {"train": 300, "dev": 50, "test": 100}  # utterances


def scores_frame(
    systems: Mapping[str, Figures],
    paper: str = "joint_cnn",
    corpus: str = "iemocap",
    protocol: str = "clean",
    source: str = "official",
    width: float = 0.02,
    classes: tuple[str, ...] | None = None,
    present: Mapping[str, float] = {"train": 0.25, "dev": 0.25, "test": 0.2},
    trained: Mapping[str, Sequence[float]] = {},
    split: str = "test",
    clips: int = 100,
) -> pd.DataFrame:
    """Rows of scores.parquet: two seeds that agree, intervals of ± `width`, paired ones too, with p = 0.04.

    `systems`: of each its figures, by metric (one for all classes or pairs of classes), or by "metric class"; ``all`` stands for every
    metric that is not named. `present`: share of a part in which each emotion is, where there may be several. `trained`: of systems that
    were trained, with `SETTINGS_USED`, the loss on dev of each seed; on train it is half as high. `clips`: of each part. In McNemar's
    tests of seeds 1 and 2 p is 0.03 and 0.2.
    """
    classes = classes or CLASSES[corpus]
    scored = names_binary(classes) if corpus in MULTI_LABEL else names(classes)
    shared = {
        "paper": paper,
        "corpus": corpus,
        "source": source,
        "protocol": protocol,
        "classes": len(classes),
        "split": split,
        "n": 100,
    }
    values = {
        system: [_value(figures, *key) for key in scored] for system, figures in systems.items()
    }
    baselines = (MultiLabel if corpus in MULTI_LABEL else MultiClass)(classes).baselines
    values |= {name: [0.1] * len(scored) for name in baselines}
    rows = []
    for system, figures in values.items():
        about = {
            **shared,
            "system": system,
            "inputs": None if system in baselines else f"features of {system}",
        }
        for (metric, name), value in zip(scored, figures, strict=True):
            row = {**about, "metric": metric, "class": name, "value": value}
            rows.append({**row, "std": 0.0, "low": value - width, "high": value + width})
            if about["inputs"]:
                rows += [{**row, "seed": seed} for seed in (1, 2)]
    for first, second in combinations(systems if split == "test" else (), 2):
        about = {**shared, "system": f"{first}{VERSUS}{second}"}
        for (metric, name), a, b in zip(scored, values[first], values[second], strict=True):
            row = {**about, "metric": metric, "class": name, "value": a - b}
            rows.append({**row, "low": a - b - width, "high": a - b + width, "p": 0.04})
        if corpus not in MULTI_LABEL:
            for seed, p, *alone in ((1, 0.03, 17, 5), (2, 0.2, 12, 8)):
                rows.append(
                    about
                    | {
                        "seed": seed,
                        "metric": "accuracy",
                        "value": (alone[0] - alone[1]) / 100,
                        "p": p,
                    }
                )
                rows += [
                    about | {"seed": seed, "metric": name, "value": count}
                    for name, count in zip(ALONE, alone, strict=True)
                ]
    for system, seeds in trained.items():
        about = {**shared, "system": system, "inputs": f"features of {system}", "split": "train"}
        rows += [
            about | {"metric": name, "value": value, "n": 1}
            for name, value in SETTINGS_USED.items()
        ]
        for part, times in (("train", 0.5), ("dev", 1.0)):
            row = about | {"split": part, "metric": LOSS}
            rows.append(
                row
                | {
                    "value": times * fmean(seeds),
                    "std": times * stdev(seeds) if len(seeds) > 1 else None,
                }
            )
            rows += [
                row | {"seed": seed, "value": times * value} for seed, value in enumerate(seeds, 1)
            ]
    for (part, size), (name, value) in product(SIZES.items(), (("count", None), ("clips", clips))):
        about = {**shared, "system": CORPUS, "split": part, "n": size}
        rows.append(about | {"metric": name, "value": size if value is None else value})
    if corpus in MULTI_LABEL:
        for (part, share), name in product(present.items(), classes):
            about = {**shared, "system": CORPUS, "split": part, "n": SIZES[part], "class": name}
            rows += [
                {**about, "metric": metric, "value": value}
                for metric, value in zip(BALANCE, (1 - share, share), strict=True)
            ]
    frame = pd.DataFrame(rows, columns=artifacts.SCORES.names)
    return frame.astype({"fold": "Int32", "seed": "Int32"})


def _value(figures: Figures, metric: str, name: str | None) -> float:
    assert metric in {*METRICS, *CLASS_METRICS, *PAIR_METRICS, *BINARY_METRICS}
    for key in (f"{metric} {name}", metric, "all"):
        if key in figures:
            return figures[key]
    return 0.5


@pytest.fixture
def make_scores() -> Callable[..., pd.DataFrame]:
    return scores_frame


@pytest.fixture
def write_scores(tmp_path: Path) -> Callable[[pd.DataFrame], Path]:
    """Write scores.parquet as the step ``score`` would."""

    def write(frame: pd.DataFrame) -> Path:
        write_table(
            tmp_path / "scores.parquet",
            frame,
            artifacts.SCORES,
            {"evaluation": {"confidence": 0.95}},
        )
        return tmp_path / "scores.parquet"

    return write
