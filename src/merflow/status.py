"""`merflow status`: corpora, checkpoints, the next run and what is missing, on one screen."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from merflow import artifacts, corpora, params, paths, preconditions, progress, selection, store
from merflow.errors import MerflowError, ParamsError, os_reason, reason, said
from merflow.params import CheckpointParams, CorpusParams

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
        axes = selection.axes(wanted.model_dump(), selection.stages_at(root))
    except ParamsError as error:
        mistake = error
    else:
        console.print(_corpora(root, {name: wanted.corpora[name] for name in axes["corpora"]}))
        checkpoints = {name: wanted.checkpoints[name] for name in axes["checkpoints"]}
        console.print(_checkpoints(root, checkpoints))
    disk = shutil.disk_usage(root)
    room = f"{disk.free / GIB:.0f} of {disk.total / GIB:.0f} GiB"
    console.print(f"[bold]device[/] {escape(_device())}   [bold]room on disk[/] {room}")
    for problem in _problems(root):
        console.print(f"[bold]to mend[/] {escape(problem)}", soft_wrap=True)
    if mistake is None:
        console.print(f"[bold]next run[/] {escape(_next_run(root))}", soft_wrap=True)
    report = root / paths.REPORT / paths.REPORT_INDEX
    place = report if report.exists() else "not built yet: snakemake --cores 2"
    console.print(f"[bold]report[/] {place}")
    if mistake:
        raise mistake


def _problems(root: Path) -> list[str]:
    """Reasons for which a run could not commit, each a line (merflow.preconditions)."""
    return list(preconditions.problems_of_files(root)) or preconditions.problems_of_dvc(root)


def _corpora(root: Path, sources: dict[str, CorpusParams]) -> Table:
    columns = ("corpus", "source", "utterances", "by split", "modalities", "defects", "to do")
    table = Table(*columns, title="corpora", title_justify="left")
    for name, corpus in sources.items():
        folder = root / paths.CORPUS.format(corpus=name)
        row = [corpus.source, *("-" * 4)]
        try:
            if (folder / paths.UTTERANCES).exists():
                row = _prepared(folder)
            else:
                row.append(_how_to_get(name, corpus.source))
        except (MerflowError, OSError, ValueError, LookupError) as error:  # the others are shown
            row.append(_unreadable(folder, error))
        table.add_row(*map(escape, (name, *row)))
    return table


def _unreadable(folder: Path, error: Exception) -> str:
    if isinstance(error, MerflowError):
        return str(error)
    why = os_reason(error) if isinstance(error, OSError) else reason(error)
    return f"cannot be read ({why}); delete {folder} and run again"


def _prepared(folder: Path) -> list[str]:
    """Row of a corpus that is prepared in `folder`, after its name."""
    path = folder / paths.UTTERANCES
    columns = ["utterance_id", "official_split", "speaker", "clip", "text"]
    utterances = store.read_table(path, artifacts.UTTERANCES, columns)
    splits = utterances["official_split"].value_counts(dropna=True)
    sizes = [f"{split} {splits[split]:,}" for split in SPLITS if split in splits]
    unit = "speaker" if utterances["speaker"].fillna("").any() else "dialogue"
    texts, clips = (utterances[column].notna().sum() for column in ("text", "clip"))
    return [
        store.read_metadata(path, artifacts.UTTERANCES)["source"],
        f"{len(utterances):,}",
        " ".join(sizes) or f"by {unit}",
        f"text {texts:,}, clips {clips:,}",
        _defects(folder / paths.DEFECTS),
        "" if clips else "no clips: audio and video systems cannot run",
    ]


def _defects(path: Path) -> str:
    """Number of defects, and the three most frequent kinds."""
    try:
        kinds = pd.read_csv(path)["kind"].value_counts()
    except (OSError, ValueError, KeyError):
        return f"{path.name} cannot be read: delete {path.parent}, run again"
    frequent = ", ".join(f"{kind} {count}" for kind, count in kinds.head(3).items())
    return f"{kinds.sum()}" + (f": {frequent}" if frequent else "")


def _how_to_get(name: str, source: str) -> str:
    """Next step towards a corpus that is not prepared."""
    if source in ("demo", "official"):
        module = corpora.load(name)
        if source == "official" and not module.SOURCES:
            return module.HOW_TO_GET
        return f"snakemake --cores 2 -- {paths.CORPUS.format(corpus=name)}/{paths.UTTERANCES}"
    folder = paths.of_user(source)
    if folder.is_dir():
        return "not read yet"
    return f"{source}: {'a file, and a folder is needed' if folder.exists() else 'no such folder'}"


def _checkpoints(root: Path, wanted: dict[str, CheckpointParams]) -> Table:
    table = Table("checkpoint", "is", "at hand", title="checkpoints", title_justify="left")
    for name, checkpoint in wanted.items():
        at_hand = _at_hand(
            root / paths.CHECKPOINT.format(checkpoint=name) / paths.SOURCE, checkpoint
        )
        table.add_row(*map(escape, (name, checkpoint.name, at_hand)))
    return table


def _at_hand(card: Path, checkpoint: CheckpointParams) -> str:
    if not card.exists():
        return "no"
    try:
        stored = json.loads(card.read_text(encoding="utf-8"))["name"]
    except (OSError, ValueError, KeyError, TypeError):
        return f"no, {card} cannot be read: delete {card.parent} and run again"
    return "yes" if stored == checkpoint.name else f"no, {stored}"


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
