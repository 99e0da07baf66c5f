"""Step ``gather``: all runs of a system in one place.

It needs no torch, and so takes a second.
"""

import shutil
from pathlib import Path

import pandas as pd

from merflow import artifacts
from merflow.errors import StoreError
from merflow.paths import HIDDEN, PREDICTIONS, WEIGHTS
from merflow.records import Record
from merflow.store import link, read_metadata, read_table, whole, write_table


def gather(shards: list[Path], out: Path) -> None:
    """Join the folders that `train` wrote: run.json, weights/, hidden/, predictions.parquet.

    Raises:
        StoreError: a file is missing, or two runs differ in more than fold, seed and outcome.
    """
    folders = [folder for shard in shards for folder in sorted(shard.glob("fold*"))]
    if not folders:
        raise StoreError(f"{shards[0]}: no run in it; delete it and train again")
    records = {folder: Record.read(folder) for folder in folders}
    folders.sort(key=lambda folder: (records[folder].runs[0].fold, records[folder].runs[0].seed))
    first, *_ = folders
    for folder in folders:
        _refuse_mismatch(first, records[first], folder, records[folder])
    classes = read_metadata(first / PREDICTIONS, artifacts.PREDICTIONS)["classes"]
    predictions = pd.concat(
        read_table(folder / PREDICTIONS, artifacts.PREDICTIONS) for folder in folders
    )

    for kind in (WEIGHTS, HIDDEN):
        shutil.rmtree(out / kind, ignore_errors=True)
    for folder in folders:
        for file in sorted([*folder.glob(f"{WEIGHTS}/*"), *folder.glob(f"{HIDDEN}/*")]):
            with whole(out / file.parent.name / file.name) as partial_path:
                link(file, partial_path)
    runs = tuple(run for folder in folders for run in records[folder].runs)
    records[first].model_copy(update={"runs": runs}).write(out)
    write_table(out / PREDICTIONS, predictions, artifacts.PREDICTIONS, {"classes": classes})


def _refuse_mismatch(first: Path, expected: Record, folder: Path, record: Record) -> None:
    """Refuse runs of two systems, protocols, versions of the code or sets of libraries."""
    names = set(Record.model_fields) - {"runs"}
    mismatch = sorted(name for name in names if getattr(record, name) != getattr(expected, name))
    if mismatch:
        raise StoreError(
            f"{folder}: its {', '.join(mismatch)} differ from {first}; delete both and train again"
        )


def present(path: Path) -> Path:
    """Return `path` if it exists.

    Raises:
        StoreError: it does not.
    """
    if not path.exists():
        raise StoreError(f"{path}: no such file; delete {path.parent} and run again")
    return path
