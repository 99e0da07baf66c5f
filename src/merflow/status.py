"""`merflow status`: corpora, checkpoints, the next run and what is missing, on one screen."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
from rich.console import Console

from merflow import (
    artifacts,
    kept_weights,
    params,
    paths,
    preconditions,
    progress,
    selection,
    store,
)
from merflow.display import TextTable, labelled
from merflow.errors import MerflowError, ParamsError, os_reason, reason, said
from merflow.params import CheckpointParams, CorpusParams
from merflow.preflight import findings

GIB = 1024**3
SPLITS = ("train", "dev", "test")


def show(root: Path, console: Console | None = None) -> None:
    """Print the status of the checkout at `root`.

    Whatever cannot be read is said in its place, and the rest is printed.

    Raises:
        ParamsError: params.yaml is absent or wrong; raised after the rest was printed.
    """
    console = console or progress.console()
    mistake = None
    try:
        wanted = params.load(root / "params.yaml")
        values, stages = wanted.model_dump(), selection.stages_at(root)
        axes = selection.axes(values, stages)
    except ParamsError as error:
        mistake = error
    else:
        console.print(_corpora(root, {name: wanted.corpora[name] for name in axes["corpora"]}))
        checkpoints = {name: wanted.checkpoints[name] for name in axes["checkpoints"]}
        console.print(_checkpoints(root, checkpoints))
        console.print(_weights(kept_weights.overview(values, axes, stages, root)))
    disk = shutil.disk_usage(root)
    room = f"{disk.free / GIB:.0f} of {disk.total / GIB:.0f} GiB"
    console.print(labelled(device=_device(), room_on_disk=room))
    for problem in _problems(root, mistake is None):
        console.print(labelled(to_mend=problem), soft_wrap=True)
    if mistake is None:
        console.print(labelled(next_run=_next_run(root)), soft_wrap=True)
    report = root / paths.REPORT / paths.REPORT_INDEX
    place = report if report.exists() else "not built yet: snakemake --cores 2"
    console.print(labelled(report=place))
    if mistake:
        raise mistake


def _problems(root: Path, has_params: bool) -> list[str]:
    """Reasons for which a run could not commit, each a line (merflow.preconditions).

    Without a params.yaml that can be read DVC has nothing else to say.
    """
    problems = list(preconditions.problems_of_files(root))
    return problems or (preconditions.problems_of_dvc(root) if has_params else [])


def _corpora(root: Path, sources: dict[str, CorpusParams]) -> TextTable:
    columns = ("corpus", "source", "utterances", "by split", "modalities", "defects", "to do")
    table = TextTable(*columns, title="corpora", title_justify="left")
    for name, corpus in sources.items():
        folder = root / paths.CORPUS.format(corpus=name)
        row = [corpus.source, *("-" * 4)]
        try:
            if (folder / paths.UTTERANCES).exists():
                row = _prepared(folder)
            else:
                row.append(_how_to_get(name, corpus, root))
        except (MerflowError, OSError, ValueError, LookupError) as error:  # the others are shown
            row.append(_unreadable(folder, error))
        table.add_row(name, *row)
    return table


def _unreadable(folder: Path, error: Exception) -> str:
    if isinstance(error, MerflowError):
        return str(error)
    why = os_reason(error) if isinstance(error, OSError) else reason(error)
    return f"cannot be read ({why}); delete {folder} and run again"


def _prepared(folder: Path) -> list[str]:
    """Row of a corpus that is prepared in `folder`, after its name."""
    path = folder / paths.UTTERANCES
    columns = ["utterance_id", "official_split", "clip", "text"]
    utterances = store.read_table(path, artifacts.UTTERANCES, columns)
    splits = utterances["official_split"].value_counts(dropna=True)
    sizes = [f"{split} {splits[split]:,}" for split in SPLITS if split in splits]
    texts, clips = (utterances[column].notna().sum() for column in ("text", "clip"))
    return [
        store.read_metadata(path, artifacts.UTTERANCES)["source"],
        f"{len(utterances):,}",
        " ".join(sizes) or _folds(folder),
        f"text {texts:,}, clips {clips:,}",
        _defects(folder / paths.DEFECTS),
        "" if clips else "no clips: audio and video systems cannot run",
    ]


def _folds(folder: Path) -> str:
    """Number of folds of each split scheme."""
    splits = store.read_table(folder / paths.SPLITS, artifacts.SPLITS, ["scheme", "fold"])
    n_folds = splits.groupby("scheme")["fold"].nunique()
    return f"folds: {', '.join(f'{scheme} {n}' for scheme, n in n_folds.items())}"


def _defects(path: Path) -> str:
    """Number of defects, and the three most frequent kinds."""
    try:
        kinds = pd.read_csv(path)["kind"].value_counts()
    except (OSError, ValueError, KeyError):
        return f"{path.name} cannot be read: delete {path.parent}, run again"
    frequent = ", ".join(f"{kind} {count}" for kind, count in kinds.head(3).items())
    return f"{kinds.sum()}" + (f": {frequent}" if frequent else "")


def _how_to_get(name: str, corpus: CorpusParams, root: Path) -> str:
    """Next step towards a corpus that is not prepared."""
    if finding := findings.of_corpus(name, corpus, root):
        return finding.text
    if corpus.source in ("demo", "official"):
        return f"snakemake --cores 2 -- {paths.CORPUS.format(corpus=name)}/{paths.UTTERANCES}"
    return "not read yet"


def _checkpoints(root: Path, wanted: dict[str, CheckpointParams]) -> TextTable:
    table = TextTable("checkpoint", "is", "at hand", title="checkpoints", title_justify="left")
    for name, checkpoint in wanted.items():
        card = root / paths.CHECKPOINT.format(checkpoint=name) / paths.SOURCE
        table.add_row(name, checkpoint.name, _at_hand(name, checkpoint, root, card))
    return table


def _at_hand(name: str, checkpoint: CheckpointParams, root: Path, card: Path) -> str:
    """Say whether a checkpoint is present, by its `card`."""
    if not card.exists():
        return _not_at_hand(name, checkpoint, root)
    try:
        stored = json.loads(card.read_text(encoding="utf-8"))["name"]
    except (OSError, ValueError, KeyError, TypeError):
        return f"no, {card} cannot be read: delete {card.parent} and run again"
    if stored == checkpoint.name:
        return "yes"
    return f"{_not_at_hand(name, checkpoint, root)} (there is {stored})"


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
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{cpu}, GPUs unknown: nvidia-smi: {reason(error)}"
    if listed.returncode:
        return f"{cpu}, no usable GPU: nvidia-smi: {said(listed.stdout + listed.stderr)}"
    return f"{cpu}, {', '.join(listed.stdout.splitlines()) or 'no GPU'}"


def _next_run(root: Path) -> str:
    """Number of jobs of each rule, by a dry run."""
    command = ["snakemake", "--dry-run", "--quiet", "host", "--cores", "1"]
    try:
        dry = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    except OSError as error:
        return f"unknown: snakemake: {os_reason(error)}; is the environment active?"
    text = dry.stdout + dry.stderr
    if dry.returncode:
        return f"cannot start: {said(text)}"
    jobs = re.findall(r"^(\w+) +(\d+)$", text.rpartition("Job stats:")[2], re.MULTILINE)
    counts = [f"{rule} {count}" for rule, count in jobs if rule not in ("all", "total")]
    return f"{', '.join(counts)}   (snakemake --cores 2)" if jobs else "nothing to do"
