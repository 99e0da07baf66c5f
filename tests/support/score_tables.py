"""Tables of results/scores made by hand: every figure is a literal of its test."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, product
from statistics import fmean, stdev
from typing import Any

import pandas as pd
import pyarrow as pa

from merflow.corpora.labels import CLASSES, MULTI_LABEL
from merflow.evaluation.metrics import (
    BALANCE,
    BINARY_METRICS,
    CLASS_METRICS,
    LOSS,
    METRICS,
    PAIR_METRICS,
)
from merflow.evaluation.scored import TABLES, Scores
from merflow.evaluation.tasks import MultiClass, MultiLabel
from merflow.params import EvaluationParams
from merflow.tables.comparison import Comparison, comparisons

Row = dict[str, Any]
Figures = Mapping[str, float | Mapping[str, float]]
EVALUATION = EvaluationParams(resamples=1000, confidence=0.95, seed=1)
SETTINGS_USED = {"batch_size": 8, "learning_rate": 2.5e-5, "weight_decay": 0.0}
SIZES = {"train": 300, "dev": 50, "test": 100}  # utterances
P_VALUES = {"p": 0.04, "p_corrected": 0.045}
MCNEMAR = ((1, 0.03, 17, 5), (2, 0.2, 12, 8))  # seed, p, first alone, second alone


def no_scores(**rows: Iterable[Row]) -> Scores:
    """Tables without rows, or with the given rows."""
    tables = {}
    for name, schema in TABLES.items():
        texts = [field.name for field in schema if pa.types.is_string(field.type)]
        table = pd.DataFrame(list(rows.get(name, ())), columns=schema.names)
        tables[name] = table.astype(dict.fromkeys(texts, object))
    return Scores(**tables, evaluation=EVALUATION)


def joined(*several: Scores) -> Scores:
    """All rows of several tables, with the parameters of the first."""
    tables = {}
    for name in TABLES:
        with_rows = [scores.tables[name] for scores in several if len(scores.tables[name])]
        tables[name] = pd.concat(with_rows) if with_rows else several[0].tables[name]
    missing = tuple(result for scores in several for result in scores.missing)
    return replace(several[0], **tables, missing=missing)


def scores_of(
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
    multi_label: bool | None = None,
) -> Scores:
    """Tables of two seeds that agree.

    Args:
        systems: figures of each system by metric (for all classes or pairs of classes), or by
            "metric class"; ``all`` stands for every metric that is not named.
        paper, corpus, protocol, source: keys.
        width: half of each interval; p of differences is as in `P_VALUES`.
        classes: None: all of the corpus.
        present: share of a split in which each emotion is, in a multi-label task.
        trained: loss on dev of each seed of the systems that were trained, with `SETTINGS_USED`; on
            train it is half as high.
        split: of the scores; differences and facts of the corpus are on test only.
        clips: number of clips in each split.
        multi_label: None: as the corpus is.
    """
    classes = classes or CLASSES[corpus]
    multi_label = corpus in MULTI_LABEL if multi_label is None else multi_label
    task = (MultiLabel if multi_label else MultiClass)(classes)
    shared = {"paper": paper, "corpus": corpus, "source": source, "protocol": protocol}
    values = {
        system: [_value(figures, *key) for key in task.metric_names]
        for system, figures in systems.items()
    }
    named = shared | {"n_classes": len(classes), "multi_label": task.multi_label}
    baselines = {name: [0.1] * len(task.metric_names) for name in task.baselines}
    scores = [
        *_system_rows(named | {"split": split}, task, values | baselines, width),
        *_training_rows(named, trained),
    ]
    if split != "test":
        return no_scores(scores=scores)
    return no_scores(
        scores=scores,
        differences=_difference_rows(shared, task, values, width),
        corpora=_corpus_rows(shared, task, present, clips),
    )


def _value(figures: Figures, metric: str, name: str | None) -> float:
    assert metric in {*METRICS, *CLASS_METRICS, *PAIR_METRICS, *BINARY_METRICS}
    for key in (f"{metric} {name}", metric, "all"):
        if key in figures:
            return figures[key]
    return 0.5


def _system_rows(
    named: Row, task: MultiClass | MultiLabel, values: Mapping[str, list[float]], width: float
) -> Iterator[Row]:
    for system, figures in values.items():
        inputs = None if system in task.baselines else f"features of {system}"
        for (metric, name), value in zip(task.metric_names, figures, strict=True):
            row = named | {"system": system, "inputs": inputs, "metric": metric, "class": name}
            row |= {"value": value, "n": SIZES["test"]}
            yield row | {"std": 0.0, "low": value - width, "high": value + width}
            if inputs:
                yield from (row | {"seed": seed} for seed in (1, 2))


def _training_rows(named: Row, trained: Mapping[str, Sequence[float]]) -> Iterator[Row]:
    for system, losses in trained.items():
        row = named | {"system": system, "inputs": f"features of {system}", "split": "train"}
        for metric, value in SETTINGS_USED.items():
            yield row | {"metric": metric, "value": value, "n": 1}
        for split, times in (("train", 0.5), ("dev", 1.0)):
            row |= {"split": split, "metric": LOSS, "n": SIZES["test"]}
            std = times * stdev(losses) if len(losses) > 1 else None
            yield row | {"value": times * fmean(losses), "std": std}
            for seed, loss in enumerate(losses, 1):
                yield row | {"seed": seed, "value": times * loss}


def _difference_rows(
    shared: Row, task: MultiClass | MultiLabel, values: Mapping[str, list[float]], width: float
) -> Iterator[Row]:
    for first, second in combinations(values, 2):
        named = shared | {"first": first, "second": second, "n": SIZES["test"]}
        both = zip(task.metric_names, values[first], values[second], strict=True)
        for (metric, name), a, b in both:
            row = named | {"metric": metric, "class": name, "value": a - b, **P_VALUES}
            yield row | {"low": a - b - width, "high": a - b + width}
        for seed, p, first_alone, second_alone in () if task.multi_label else MCNEMAR:
            alone = {"first_alone": first_alone, "second_alone": second_alone}
            value = (first_alone - second_alone) / SIZES["test"]
            yield named | {
                "seed": seed,
                "metric": "accuracy",
                "value": value,
                "p": p,
                "p_corrected": 2 * p,
                **alone,
            }


def _corpus_rows(
    shared: Row, task: MultiClass | MultiLabel, present: Mapping[str, float], clips: int
) -> Iterator[Row]:
    for split, size in SIZES.items():
        row = shared | {"split": split, "n": size}
        yield row | {"fact": "count", "value": size}
        yield row | {"fact": "clips", "value": clips}
    if task.multi_label:
        for (split, share), name in product(present.items(), task.classes):
            row = shared | {"split": split, "n": SIZES[split], "class": name}
            for fact, value in zip(BALANCE, (1 - share, share), strict=True):
                yield row | {"fact": fact, "value": value}


def comparison_of(paper: str, corpus: str, printed: pd.DataFrame, scores: Scores) -> Comparison:
    """The only comparison of a paper on a corpus: all protocols have one task."""
    (comparison,) = comparisons(paper, corpus, printed, scores)
    return comparison


LEAKS = {"clip": 0, "origin": 1, "text": 12, "speaker": 95}


def leakage(paper: str, protocol: str, dialogues: int, corpus: str = "meld") -> Scores:
    """Facts of leakage under a protocol: `LEAKS`, and a number of dialogues."""
    shared = {"paper": paper, "corpus": corpus, "source": "official", "protocol": protocol}
    counts = LEAKS | {"dialogue": dialogues}
    return no_scores(
        corpora=(
            shared | {"fact": f"shares_{what}", "split": "test", "value": count, "n": SIZES["test"]}
            for what, count in counts.items()
        )
    )


def gaps(
    paper: str, values: Mapping[tuple[str, str], float], paired: bool, corpus: str = "meld"
) -> Scores:
    """Gaps between as_published and clean by system and metric, with intervals of ± 0.06."""
    shared = {"paper": paper, "corpus": corpus, "source": "official", "paired": paired}
    shared |= {"first": "as_published", "second": "clean", "n": SIZES["test"]}
    return no_scores(
        gaps=(
            shared
            | {"system": system, "metric": metric, "value": value}
            | {"low": value - 0.06, "high": value + 0.06}
            for (system, metric), value in values.items()
        )
    )
