"""The step ``gather``: all runs of a system in one place. It needs no torch, and so takes a second."""

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from merflow import artifacts
from merflow.errors import StoreError
from merflow.store import link, read_metadata, read_table, whole, write_json, write_table

#: Keys of a run; others are shared by all.
PER_RUN = (
    *("fold", "seed", "selected_epoch", "history", "weights", "temperatures", "names"),
    *("device", "precision", "wall_s", "clip_s", "tokens"),
)
DONE = "predictions.parquet"  # written last: the sign that a run is whole


def gather(parts: list[Path], out: Path) -> None:
    """Join the folders that `train` wrote: run.json (what runs share, and a list ``runs``), weights/, hidden/, predictions.parquet.

    Raises:
        StoreError: a file is missing, or two runs are not of one system, protocol, code and library set.
    """
    folders = [run for part in parts for run in sorted(part.glob("fold*"))]
    if not folders:
        raise StoreError(f"{parts[0]}: no run in it; delete it and train again")
    records = sorted(
        (
            (json.loads(present(run / "run.json").read_text(encoding="utf-8")), run)
            for run in folders
        ),
        key=_fold_and_seed,
    )
    shared = {key: value for key, value in records[0][0].items() if key not in PER_RUN}
    for record, run in records:
        if different := [key for key, value in shared.items() if record.get(key) != value]:
            raise StoreError(
                f"{run}: its {', '.join(different)} differ from those of {records[0][1]}; delete both and train again"
            )
    classes = read_metadata(records[0][1] / DONE, artifacts.PREDICTIONS)["classes"]
    predictions = pd.concat([read_table(run / DONE, artifacts.PREDICTIONS) for _, run in records])

    for kind in ("weights", "hidden"):
        shutil.rmtree(out / kind, ignore_errors=True)
    for _, run in records:
        for file in sorted([*run.glob("weights/*"), *run.glob("hidden/*")]):
            with whole(out / file.parent.name / file.name) as target:
                link(file, target)
    write_json(
        out / "run.json",
        shared
        | {
            "runs": [
                {key: record[key] for key in PER_RUN if key in record} for record, _ in records
            ]
        },
    )
    write_table(out / DONE, predictions, artifacts.PREDICTIONS, {"classes": classes})


def _fold_and_seed(record_and_run: tuple[dict[str, Any], Path]) -> tuple[int, int]:
    return record_and_run[0]["fold"], record_and_run[0]["seed"]


def hidden(folder: Path, fold: int, seed: int) -> Path:
    """Where a system that hands them over keeps its hidden activations of a run: a feature store."""
    return folder / "hidden" / f"{fold}-{seed}.parquet"


def present(path: Path) -> Path:
    """`path`, if it is there.

    Raises:
        StoreError: it is not.
    """
    if not path.exists():
        raise StoreError(f"{path}: no such file; delete {path.parent} and run again")
    return path
