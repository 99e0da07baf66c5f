"""Measures in tables: their names, formulas and units."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from merflow.evaluation.metrics import EPOCH_SCORE, LOSS, ONE_VS_REST, SETTINGS, SIZES
from merflow.tables.render import decimal, percent, plain, points, setting, signed

HEADERS = {
    "accuracy": "accuracy",
    "uar": "UAR",
    "balanced_accuracy": "balanced accuracy",
    "weighted_f1": "weighted F1",
    "weighted_precision": "weighted precision",
    "weighted_recall": "weighted recall",
    "macro_f1": "macro F1",
    "macro_precision": "macro precision",
    "positive_f1": "F1 of present",
    "one_vs_rest_accuracy": "one-vs-rest accuracy",
    "one_vs_rest_weighted_f1": "one-vs-rest weighted F1",
}
#: Measures of one class or of a pair of classes.
CLASS_HEADERS = {"f1": "F1", "confused": "confusion"}
#: Formulas for P utterances of a class and N others, n in all; F1 = 2 TP / (2 TP + FP + FN).
FORMULAS = {
    "accuracy": "sum of TP / n",
    "uar": "mean of TP / P over the classes",
    "balanced_accuracy": (
        "mean of (TP / P + TN / N) / 2, that is (TP x N/P + TN) / 2N, over the classes, each"
        " against the rest"
    ),
    "weighted_f1": "sum of P / n x F1 over the classes",
    "weighted_precision": "sum of P / n x TP / (TP + FP) over the classes",
    "weighted_recall": "sum of P / n x TP / P over the classes, which is the accuracy",
    "macro_f1": "mean of F1 over the classes",
    "macro_precision": "mean of TP / (TP + FP) over the classes",
    "one_vs_rest_accuracy": (
        "mean of (TP + TN) / n over the classes, which is 1 \N{MINUS SIGN} 2 (1 \N{MINUS SIGN}"
        " accuracy) / number of classes"
    ),
    "one_vs_rest_weighted_f1": (
        "mean over the classes of P / n x F1 of the class + N / n x F1 of the rest"
    ),
}
#: Formulas of a class in a multi-label task, present or absent.
BINARY_FORMULAS = {
    "accuracy": "(TP + TN) / n",
    "uar": "(TP / P + TN / N) / 2, that is (TP x N/P + TN) / 2N",
    "weighted_f1": "P / n x F1 of present + N / n x F1 of absent",
    "positive_f1": "2 TP / (2 TP + FP + FN)",
}
BINARY_FORMULAS |= {name: BINARY_FORMULAS[own] for name, own in ONE_VS_REST.items()}
#: Printed measure -> usual measures that it may be taken for, which stand beside it in full.
USUAL = {
    "balanced_accuracy": ("uar", "accuracy"),
    "one_vs_rest_accuracy": ("accuracy",),
    "one_vs_rest_weighted_f1": ("weighted_f1", "macro_f1"),
}
#: Note on the baseline all_negative.
ALL_NEGATIVE = (
    "All-negative predicts no emotion at all. With rare emotions its accuracy and weighted F1 are"
    " high, its UAR is 50 and its F1 of present 0."
)


class Unit(NamedTuple):
    """Functions that show a figure of ours, and its difference from a printed one."""

    show: Callable[[float], str]
    difference: Callable[[float], str]


#: Scores are shares: shown in percent, their differences in points.
SHARE = Unit(percent, points)
UNITS = {
    LOSS: Unit(decimal, signed),
    **dict.fromkeys(SIZES, Unit(partial(decimal, decimals=0), partial(signed, decimals=0))),
    **dict.fromkeys(SETTINGS, Unit(setting, signed)),
}


def unit_of(metric: str) -> Unit:
    """Unit of a metric."""
    return UNITS.get(metric, SHARE)


def split_of(metric: str) -> str:
    """Split on which a metric is compared: test, but dev for facts of training.

    Papers print no loss on test.
    """
    return "dev" if metric in (LOSS, EPOCH_SCORE) else "test"


def name_of(metric: str, split: str) -> str:
    """A metric in words."""
    if metric == EPOCH_SCORE:
        return f"weighted F1 on {split}"
    return (
        f"loss on {split}"
        if metric == LOSS
        else (HEADERS | CLASS_HEADERS).get(metric, plain(metric))
    )


def formulas_note(metrics: Iterable[str], multi_label: bool) -> str:
    """Note with the formulas of `metrics`."""
    of_metric = BINARY_FORMULAS if multi_label else FORMULAS
    formulas = [
        f"{HEADERS[metric]} = {of_metric[metric]}"
        for metric in dict.fromkeys(metrics)
        if metric in of_metric
    ]
    of_each = ", of each emotion" if multi_label else ""
    return f"P utterances of a class, N others, n in all: {'; '.join(formulas)}{of_each}."
