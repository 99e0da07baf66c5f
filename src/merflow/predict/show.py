"""Predictions of clips, and their display as a table or as JSON."""

import json
from dataclasses import asdict, dataclass

from rich.console import Console

from merflow import progress
from merflow.display import TextTable, printable
from merflow.predict.models import RunKey


@dataclass(frozen=True)
class Prediction:
    """Prediction for an utterance.

    Attributes:
        utterance: its id.
        predicted: names of classes: the likeliest, or in multi-label corpora all that are present.
        probabilities: of each class, means over the runs.
    """

    utterance: str
    predicted: list[str]
    probabilities: dict[str, float]


@dataclass(frozen=True)
class Predictions:
    """Predictions for the clips of a command.

    Attributes:
        model: folder of the system's results.
        classes: names, in the order of probabilities.
        runs: fold and seed of each run that is averaged.
        predictions: by utterance.
        failed: utterance -> why it has no prediction.
    """

    model: str
    classes: list[str]
    runs: list[RunKey]
    predictions: list[Prediction]
    failed: dict[str, str]


def show(predictions: Predictions, as_json: bool, console: Console | None = None) -> None:
    """Print predictions."""
    if as_json:
        print(json.dumps(asdict(predictions), indent=1, ensure_ascii=False))
        return
    table = TextTable("utterance", "predicted", *predictions.classes)
    for row in predictions.predictions:
        probabilities = (f"{probability:.3f}" for probability in row.probabilities.values())
        table.add_row(row.utterance, ", ".join(row.predicted) or "none", *probabilities)
    console = console or progress.console()
    n_runs = len(predictions.runs)
    title = f"{predictions.model}: probabilities, mean of {n_runs} run{'s' * (n_runs > 1)}"
    console.print(title, highlight=False, soft_wrap=True, markup=False, emoji=False)
    console.print(table)
    for utterance, reason in predictions.failed.items():
        line = printable(f"{utterance}: {reason}")
        console.print(line, highlight=False, soft_wrap=True, markup=False, emoji=False)
    n_predicted, n_failed = len(predictions.predictions), len(predictions.failed)
    console.print(f"{n_predicted} predicted, {n_failed} not")
