"""The step ``train``: some runs of one system, whatever its kind. A run is a fold with a seed."""

import hashlib
import json
import shutil
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

from merflow import artifacts
from merflow.corpora.schemes import find
from merflow.errors import ParamsError
from merflow.params import Protocol
from merflow.progress import first_process, log
from merflow.provenance import versions
from merflow.store import read_metadata, read_table, write_json, write_table
from merflow.systems import Fusion, OffTheShelf
from merflow.training.gather import DONE
from merflow.training.job import STATE, Files, Job, Runs

LIBRARIES = ("torch", "transformers", "tokenizers", "accelerate", "scikit-learn")


def train(job: Job, part: int, parts: int, out: Path) -> None:
    """Train the runs of a system whose number is `part` modulo `parts`, and predict dev and test of each fold.

    Writes, into a folder per run in `out`, run.json, weights/<fold>-<seed>.safetensors if asked for, and predictions.parquet (metadata:
    classes). Runs are made in a folder beside `out`, which becomes `out` at the end; a job that was killed goes on from there.

    Raises:
        ParamsError: an unknown system, settings that cannot be, or the training diverged.
        CorpusError: a part of a fold has no utterance, or a label is no class of the corpus.
        CheckpointError: the checkpoint is not at hand.
        StoreError: an input cannot be read, or `out` not be written.
    """
    first = first_process()
    row, how, files = job.row, job.parsed(Protocol, job.how), Files.of(job.inputs)
    scheme, folds = _split(job.corpus, how, files)
    how = how.model_copy(update={"scheme": {job.corpus: scheme}})
    if not find(job.corpus, scheme).dev and (chosen := _chosen_on_dev(job, how)):
        raise ParamsError(
            f"papers.{job.paper}: {chosen} needs a dev part, and split scheme {scheme} of {job.corpus} has none"
        )
    mine = list(product(range(folds), how.seeds))[part::parts]
    key = _digest(job, files)
    scratch = out.with_name(f"{out.name}.unfinished")
    folders = {run: scratch / f"fold{run[0]}-seed{run[1]}-{key}" for run in mine}
    todo = [run for run, folder in folders.items() if not (folder / DONE).exists()]
    if todo:
        kind = runs_of(row)(job, row, files, how)
        shared: dict[str, Any] = {
            key: getattr(job, key)
            for key in ("paper", "system", "corpus", "protocol", "settings", "code")
        }
        shared |= {"scheme": scheme, "select": how.select, "versions": versions(*LIBRARIES)}
        shared |= {
            "source": read_metadata(
                files.prepared / "utterances.parquet", artifacts.UTTERANCES
            ).get("source")
        }
    for fold, seed in todo:
        place = f"fold {fold}, seed {seed} ({mine.index((fold, seed)) + 1} of {len(mine)})"
        log.info("%s on %s, %s: %s", job.system, job.corpus, job.protocol, place)
        folder = folders[fold, seed]
        record, predictions = kind.make(fold, seed, folder)
        if not first:
            continue
        write_json(
            folder / "run.json", shared | kind.shared | {"fold": fold, "seed": seed} | record
        )
        write_table(folder / DONE, predictions, artifacts.PREDICTIONS, {"classes": kind.classes})
        (folder / STATE).unlink(missing_ok=True)
    if first:
        for folder in set(scratch.iterdir()) - set(
            folders.values()
        ):  # of killed jobs with other settings or inputs
            shutil.rmtree(folder)
        scratch.replace(out)


def runs_of(row: Any) -> Callable[[Job, Any, Files, Protocol], Runs]:
    """Find the function that makes the runs of a system, and import what its kind needs."""
    if isinstance(row, Fusion):
        from merflow.training import fusion

        return fusion.runs
    if isinstance(row, OffTheShelf):
        from merflow.training import off_the_shelf

        return off_the_shelf.runs
    from merflow.training import network

    return network.runs


def _split(corpus: str, how: Protocol, files: Files) -> tuple[str, int]:
    """Name and folds of the split scheme that the protocol names; of one's own corpus, which no protocol knows, of the only one it has."""
    if named := how.scheme.get(corpus):  # type: ignore[call-overload]  # a name of its own is no CorpusName
        return named, find(corpus, named).folds
    splits = read_table(files.prepared / "splits.parquet", artifacts.SPLITS, ["scheme", "fold"])
    return str(splits["scheme"].iloc[0]), int(splits["fold"].nunique())


def _chosen_on_dev(job: Job, how: Protocol) -> str | None:
    """The first of the settings that chooses something on the dev part."""
    training, weights = job.settings.get("training", {}), job.settings.get("weights")
    asked = {
        f"protocols.{job.protocol}.select: dev": "training" in job.settings and how.select == "dev",
        f"systems.{job.system}.training.patience": how.select != "test"
        and training.get("patience") is not None,
        f"systems.{job.system}.weights: dev": weights == "dev",
        f"systems.{job.system}.calibration": job.settings.get("calibration", "none") != "none",
    }
    return next((name for name, wanted in asked.items() if wanted), None)


def _digest(job: Job, files: Files) -> str:
    """Digest of all that decides the results: runs of other settings or inputs are not taken up."""
    decisive = [
        job.system,
        job.settings,
        job.how,
        job.features,
        job.n_classes,
        job.precision,
        job.keep_weights,
        job.code,
        files.stamp,
    ]
    return hashlib.sha256(
        json.dumps([decisive, versions(*LIBRARIES)], sort_keys=True).encode()
    ).hexdigest()[:16]
