"""Step ``train``: runs of a system of any kind, each a fold with a seed."""

import shutil
from itertools import product
from pathlib import Path

from merflow import artifacts
from merflow.corpora.schemes import find
from merflow.errors import ParamsError
from merflow.params import ProtocolParams
from merflow.paths import PREDICTIONS
from merflow.progress import first_process, log
from merflow.provenance import digest_of_values, versions
from merflow.records import Record, Run
from merflow.store import read_metadata, read_table, replace_folder, write_table
from merflow.systems import AnySystem, Fusion, Linear, OffTheShelf
from merflow.training.gather import present
from merflow.training.job import STATE, Job, Kind, Runs

LIBRARIES = ("torch", "transformers", "tokenizers", "accelerate", "scikit-learn")


def train(job: Job, shard: int, shards: int, out: Path) -> None:
    """Train the runs of a system whose number is `shard` modulo `shards`, and predict.

    Writes a folder per run into `out`: predictions.parquet of dev and test (metadata: classes),
    run.json, and weights/<fold>-<seed>.safetensors if asked for. Runs are made in a folder beside
    `out`, which becomes `out` at the end. A killed job goes on there.

    Raises:
        ParamsError: an unknown system, impossible parameters, or the training diverged.
        CorpusError: a split of a fold has no utterance, or a label is not a class of the corpus.
        CheckpointError: the checkpoint is not at hand.
        StoreError: an input cannot be read, or `out` not be written.
    """
    first = first_process()
    for path in job.inputs.files:
        present(path)
    protocol, n_folds = _protocol(job)
    own_runs = list(product(range(n_folds), protocol.seeds))[shard::shards]
    key = _digest(job)
    scratch = out.with_name(f"{out.name}.unfinished")
    folders = {run: scratch / f"fold{run[0]}-seed{run[1]}-{key}" for run in own_runs}
    unfinished = [run for run, folder in folders.items() if not (folder / PREDICTIONS).exists()]
    runs = kind_of(job.definition)(job, job.definition, protocol) if unfinished else None
    for fold, seed in unfinished:
        place = f"{own_runs.index((fold, seed)) + 1} of {len(own_runs)}"
        log.info(
            "%s on %s, %s: fold %d, seed %d (%s)",
            *(job.system, job.corpus, job.protocol, fold, seed, place),
        )
        folder = folders[fold, seed]
        assert runs is not None
        run, predictions = runs.make(fold, seed, folder)
        if first:
            _record(job, protocol, runs, run).write(folder)
            metadata = {"classes": runs.classes}
            write_table(folder / PREDICTIONS, predictions, artifacts.PREDICTIONS, metadata)
            (folder / STATE).unlink(missing_ok=True)
    if first:
        # of killed jobs with other parameters or inputs
        for folder in set(scratch.iterdir()) - set(folders.values()):
            shutil.rmtree(folder)
        replace_folder(scratch, out)


def kind_of(definition: AnySystem) -> Kind:
    """Function that prepares the runs of a system, with imports of its kind only."""
    if isinstance(definition, Fusion):
        from merflow.training import fusion

        return fusion.runs
    if isinstance(definition, OffTheShelf):
        from merflow.training import off_the_shelf

        return off_the_shelf.runs
    if isinstance(definition, Linear):
        from merflow.training import linear

        return linear.runs
    from merflow.training import network

    return network.runs


def _protocol(job: Job) -> tuple[ProtocolParams, int]:
    """Protocol with the split scheme of the corpus, and the number of folds.

    Protocols do not name custom corpora, which have one scheme each.

    Raises:
        ParamsError: something is to be chosen on a dev split, and the scheme has none.
    """
    protocol = job.parsed(ProtocolParams, job.protocol_params)
    named = protocol.scheme.get(job.corpus)
    if named:
        scheme, n_folds = str(named), find(job.corpus, named).folds
    else:
        columns = ["scheme", "fold"]
        splits = read_table(job.inputs.splits, artifacts.SPLITS, columns)
        scheme, n_folds = str(splits["scheme"].iloc[0]), int(splits["fold"].nunique())
        protocol = protocol.model_copy(update={"scheme": {job.corpus: scheme}})
    if not find(job.corpus, scheme).dev and (choice := _chosen_on_dev(job, protocol)):
        raise ParamsError(
            f"papers.{job.paper}: {choice} needs a dev split,"
            f" and split scheme {scheme} of {job.corpus} has none"
        )
    return protocol, n_folds


def _chosen_on_dev(job: Job, protocol: ProtocolParams) -> str | None:
    """First of the parameters that ask for a choice on the dev split."""
    training = job.params.get("training", {})
    choices = {
        f"protocols.{job.protocol}.select: dev": "training" in job.params
        and protocol.select == "dev",
        f"systems.{job.system}.training.patience": protocol.select != "test"
        and training.get("patience") is not None,
        f"systems.{job.system}.weights: dev": job.params.get("weights") == "dev",
        f"systems.{job.system}.prior: dev": job.params.get("prior") == "dev",
        f"systems.{job.system}.calibration": job.params.get("calibration", "none") != "none",
    }
    return next((name for name, wanted in choices.items() if wanted), None)


def _record(job: Job, protocol: ProtocolParams, runs: Runs, run: Run) -> Record:
    metadata = read_metadata(job.inputs.utterances, artifacts.UTTERANCES)
    return Record(
        paper=job.paper,
        system=job.system,
        corpus=job.corpus,
        protocol=job.protocol,
        source=metadata.get("source", "unknown"),
        scheme=protocol.scheme[job.corpus],
        select=protocol.select,
        params=job.params,
        code=job.code,
        versions=versions(*LIBRARIES),
        runs=(run,),
        **runs.shared,
    )


def _digest(job: Job) -> str:
    """Digest of everything that decides the results: other runs are not taken up."""
    stats = [(str(path), path.stat()) for path in sorted(job.inputs.files)]
    decisive = [
        job.system,
        job.params,
        job.protocol_params,
        job.features,
        job.n_classes,
        job.precision,
        job.keep_weights,
        job.code,
        [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats],
    ]
    return digest_of_values([decisive, versions(*LIBRARIES)])
