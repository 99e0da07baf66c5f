"""The command: which clips, which runs, and the answer as a table or as JSON."""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from merflow import progress
from merflow.corpora.schemes import multi_label
from merflow.errors import StoreError
from merflow.predict.clips import Clips
from merflow.predict.compute import probabilities
from merflow.predict.model import Model, Run
from merflow.progress import log, track


def predict(
    target: Path,
    model: Path,
    checkpoints: Path,
    text: str | None = None,
    annotations: Path | None = None,
    fold: int | None = None,
    seed: int | None = None,
    lenient: bool = False,
) -> dict[str, Any]:
    """Class probabilities of a clip, or of every clip of a folder: the mean over the runs of the model.

    Args:
        target: file or folder.
        model: folder of results.
        checkpoints: folder of pre-trained models.
        text: what is said in the clip.
        annotations: CSV with clip and text.
        fold, seed: of the runs; None: all whose weights were kept.
        lenient: see `Model.read`.

    Returns:
        model, classes, runs (fold, seed), predictions (of each utterance: predicted, probabilities), failed (utterance: reason).

    Raises:
        StoreError: the model has no weights or none of such runs, or its inputs cannot be made again.
        CorpusError: there is no clip, or none of them has what the model takes.
    """
    trained = Model.read(model, checkpoints, lenient)
    runs = [run for run in trained.runs if fold in (None, run[0]) and seed in (None, run[1])]
    if not runs:
        raise StoreError(
            f"{model}: keeps no weights of fold {fold}, seed {seed}; it has {_listed(trained.runs)}"
        )
    with tempfile.TemporaryDirectory(prefix="merflow-predict-") as scratch:
        clips = Clips.find(target, text, annotations, Path(scratch))
        log.info(
            "%s: %d clips, %d cannot be opened; runs %s",
            target,
            len(clips.utterances),
            len(clips.failed),
            _listed(runs),
        )
        every = [probabilities(trained, clips, *run) for run in track(runs, "runs", len(runs))]
        failed = dict(clips.failed)
        for key in sorted(clips.ids - set(every[0])):
            failed[key] = _lacking(clips, key, trained)
    mean = {key: np.mean([found[key] for found in every], axis=0) for key in every[0]}
    several = multi_label(trained.record.corpus, trained.record.scheme)
    return {
        "model": str(model),
        "classes": trained.classes,
        "runs": [{"fold": run[0], "seed": run[1]} for run in runs],
        "predictions": [
            {
                "utterance": key,
                "predicted": [
                    trained.classes[k]
                    for k in (np.flatnonzero(row >= 0.5) if several else [row.argmax()])
                ],
                "probabilities": {
                    name: float(p) for name, p in zip(trained.classes, row, strict=True)
                },
            }
            for key, row in sorted(mean.items())
        ],
        "failed": failed,
    }


def _listed(runs: list[Run]) -> str:
    return ", ".join(f"{fold}-{seed}" for fold, seed in runs)


def _lacking(clips: Clips, key: str, model: Model) -> str:
    """Why an utterance that can be opened has no prediction."""
    row = clips.utterances.set_index("utterance_id").loc[key]
    if "text" in model.takes and row["text"] is None:
        return (
            "no text, which this model reads: give --text, --annotations or a .txt file beside it"
        )
    return clips.defects.get(key, f"has not all of {', '.join(sorted(model.takes))}")


def show(answer: dict[str, Any], as_json: bool, console: Console | None = None) -> None:
    """Print an answer of `predict`."""
    if as_json:
        print(json.dumps(answer, indent=1, ensure_ascii=False))
        return
    table = Table("utterance", "predicted", *answer["classes"])
    for one in answer["predictions"]:
        table.add_row(
            one["utterance"],
            ", ".join(one["predicted"]) or "none",
            *(f"{p:.3f}" for p in one["probabilities"].values()),
        )
    console = console or progress.console()
    console.print(
        f"{answer['model']}: probabilities, mean of {len(answer['runs'])} run{'s' * (len(answer['runs']) > 1)}",
        highlight=False,
        soft_wrap=True,
    )
    console.print(table)
    for key, reason in answer["failed"].items():
        console.print(f"{key}: {reason}", highlight=False, soft_wrap=True, markup=False)
    console.print(f"{len(answer['predictions'])} predicted, {len(answer['failed'])} not")
