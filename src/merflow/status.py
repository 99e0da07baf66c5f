"""`merflow status`: corpora, checkpoints, the next run and what is missing, on one screen."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
from rich.console import Console

from merflow import artifacts, kept_weights, params, paths, progress, selection, store
from merflow.display import TextTable, labelled
from merflow.params import CheckpointParams, CorpusParams
from merflow.preflight import findings

GIB = 1024**3
SPLITS = ("train", "dev", "test")


def show(root: Path, console: Console | None = None) -> None:
    """Print the status of the checkout at `root`.

    Raises:
        ParamsError: params.yaml is absent or wrong.
    """
    console = console or progress.console()
    wanted = params.load(root / "params.yaml")
    values, stages = wanted.model_dump(), selection.stages_at(root)
    axes = selection.axes(values, stages)
    console.print(_corpora(root, {name: wanted.corpora[name] for name in axes["corpora"]}))
    checkpoints = {name: wanted.checkpoints[name] for name in axes["checkpoints"]}
    console.print(_checkpoints(root, checkpoints))
    console.print(_weights(kept_weights.overview(values, axes, stages, root)))
    disk = shutil.disk_usage(root)
    room = f"{disk.free / GIB:.0f} of {disk.total / GIB:.0f} GiB"
    console.print(labelled(device=_device(), room_on_disk=room))
    console.print(labelled(next_run=_next_run(root)))
    report = root / paths.REPORT / paths.REPORT_INDEX
    place = report if report.exists() else "not built yet: snakemake --cores 2"
    console.print(labelled(report=place))


def _corpora(root: Path, sources: dict[str, CorpusParams]) -> TextTable:
    columns = ("corpus", "source", "utterances", "by split", "modalities", "defects", "to do")
    table = TextTable(*columns, title="corpora", title_justify="left")
    for name, corpus in sources.items():
        folder = root / paths.CORPUS.format(corpus=name)
        if (folder / paths.UTTERANCES).exists():
            table.add_row(name, *_prepared(folder))
        else:
            table.add_row(name, corpus.source, *("-" * 4), _how_to_get(name, corpus.source, root))
    return table


def _prepared(folder: Path) -> list[str]:
    """Row of a corpus that is prepared in `folder`, after its name."""
    path = folder / paths.UTTERANCES
    columns = ["utterance_id", "official_split", "clip", "text"]
    utterances = store.read_table(path, artifacts.UTTERANCES, columns)
    splits = utterances["official_split"].value_counts(dropna=True)
    sizes = [f"{split} {splits[split]:,}" for split in SPLITS if split in splits]
    texts, clips = (utterances[column].notna().sum() for column in ("text", "clip"))
    kinds = pd.read_csv(folder / paths.DEFECTS)["kind"].value_counts()
    frequent = ", ".join(f"{kind} {count}" for kind, count in kinds.head(3).items())
    return [
        store.read_metadata(path, artifacts.UTTERANCES)["source"],
        f"{len(utterances):,}",
        " ".join(sizes) or _folds(folder),
        f"text {texts:,}, clips {clips:,}",
        f"{kinds.sum()}" + (f": {frequent}" if frequent else ""),
        "" if clips else "no clips: audio and video systems cannot run",
    ]


def _folds(folder: Path) -> str:
    """Number of folds of each split scheme."""
    splits = store.read_table(folder / paths.SPLITS, artifacts.SPLITS, ["scheme", "fold"])
    n_folds = splits.groupby("scheme")["fold"].nunique()
    return f"folds: {', '.join(f'{scheme} {n}' for scheme, n in n_folds.items())}"


def _how_to_get(name: str, source: str, root: Path) -> str:
    """Next step towards a corpus that is not prepared."""
    if finding := findings.of_corpus(name, source, root):
        return finding.text
    if source in ("demo", "official"):
        return f"snakemake --cores 2 -- {paths.CORPUS.format(corpus=name)}/{paths.UTTERANCES}"
    return "not read yet"


def _checkpoints(root: Path, wanted: dict[str, CheckpointParams]) -> TextTable:
    table = TextTable("checkpoint", "is", "at hand", title="checkpoints", title_justify="left")
    for name, checkpoint in wanted.items():
        card = root / paths.CHECKPOINT.format(checkpoint=name) / paths.SOURCE
        stored = json.loads(card.read_text(encoding="utf-8"))["name"] if card.exists() else None
        at_hand = "yes" if stored == checkpoint.name else _not_at_hand(name, checkpoint, root)
        other = f" (there is {stored})" if stored and stored != checkpoint.name else ""
        table.add_row(name, checkpoint.name, at_hand + other)
    return table


def _not_at_hand(name: str, checkpoint: CheckpointParams, root: Path) -> str:
    """Say how a checkpoint that is not in data/checkpoints will come there."""
    if finding := findings.of_checkpoint(name, checkpoint, root):
        return f"no: {finding.text}"
    if checkpoint.hub:
        return (
            "no, in the Hub's local cache"
            if findings.in_cache(checkpoint)
            else "no, to be downloaded"
        )
    return "no, to be downloaded" if checkpoint.url else "no, made or copied when it is needed"


def _weights(papers: dict[str, kept_weights.Overview]) -> TextTable:
    """Weights of each paper: kept, added by the next run, and not kept."""
    columns = ("weights", "results with weights", "MB", "the next run adds", "keep none")
    limit = f"small: what fine-tunes no published model, up to {kept_weights.LIMIT_MB} MB a run"
    table = TextTable(*columns, caption=limit, caption_justify="left")
    for paper, row in papers.items():
        adds = [f"at most {row.small:,} MB"] if row.small else []
        adds += [
            f"{system} {_size(row.published[system], n_runs)}"
            for system, n_runs in row.large.items()
        ]
        left_out = [
            f"{system} ({_size(row.published[system], 1)} a run)"
            if system in row.published
            else system
            for system in row.left_out
        ]
        kept = f"{row.kept} of {row.results}"
        table.add_row(paper, kept, f"{row.megabytes:,.1f}", ", ".join(adds), ", ".join(left_out))
    return table


def _size(published: int | None, n_runs: int) -> str:
    """Size of the weights of runs that fine-tune a published model of so many MB."""
    if published is None:
        return f"over {kept_weights.LIMIT_MB * n_runs:,} MB"
    return f"about {published * n_runs:,} MB"


def _device() -> str:
    """CPU cores and GPUs; the driver names them in an instant, torch would take seconds."""
    cpu = f"{len(os.sched_getaffinity(0))} CPU cores"
    if shutil.which("nvidia-smi") is None:
        return f"{cpu}, no GPU"
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"{cpu}, {', '.join(listed.stdout.split(chr(10))[:-1]) or 'no GPU'}"


def _next_run(root: Path) -> str:
    """Number of jobs of each rule, by a dry run."""
    command = ["snakemake", "--dry-run", "--quiet", "host", "--cores", "1"]
    dry = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    text = dry.stdout + dry.stderr
    if dry.returncode:
        return "cannot start: " + (text.strip().splitlines() or ["snakemake gave no reason"])[-1]
    jobs = re.findall(r"^(\w+) +(\d+)$", text.rpartition("Job stats:")[2], re.MULTILINE)
    counts = [f"{rule} {count}" for rule, count in jobs if rule not in ("all", "total")]
    return f"{', '.join(counts)}   (snakemake --cores 2)" if jobs else "nothing to do"
