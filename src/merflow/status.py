"""`merflow status`: what is at hand, what the next run would do, and what is missing, on one screen."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from merflow import artifacts, corpora, params, progress, selection, store

GIB = 1024**3


def show(root: Path, console: Console | None = None) -> None:
    """Print the status of the checkout at `root`.

    Raises:
        ParamsError: params.yaml is absent or wrong.
    """
    console = console or progress.console()
    settings = params.load(root / "params.yaml")
    selected = selection.axes(settings.model_dump(), selection.stages_at(root))
    console.print(_corpora(root, settings, selected["corpora"]))
    console.print(_checkpoints(root, settings, selected["checkpoints"]))
    disk = shutil.disk_usage(root)
    console.print(
        f"[bold]device[/] {_device()}   [bold]room on disk[/] {disk.free / GIB:.0f} of {disk.total / GIB:.0f} GiB"
    )
    console.print(f"[bold]next run[/] {_next_run(root)}")
    report = root / "results/report/index.html"
    console.print(
        f"[bold]report[/] {report if report.exists() else 'not built yet: snakemake --cores 2'}"
    )


def _corpora(root: Path, settings: params.Params, names: list[str]) -> Table:
    table = Table(
        "corpus",
        "source",
        "utterances",
        "by split",
        "modalities",
        "defects",
        "to do",
        title="corpora",
        title_justify="left",
    )
    for name in names:
        source = settings.corpora[name].source
        folder = root / "data/corpora" / name
        if not (folder / "utterances.parquet").exists():
            table.add_row(name, source, "-", "-", "-", "-", _how(name, source))
            continue
        meta = store.read_metadata(folder / "utterances.parquet", artifacts.UTTERANCES)
        utterances = store.read_table(
            folder / "utterances.parquet",
            artifacts.UTTERANCES,
            ["utterance_id", "official_split", "clip", "text"],
        )
        splits = utterances["official_split"].value_counts(dropna=True)
        defects = pd.read_csv(folder / "defects.csv")
        kinds = defects["kind"].value_counts()
        worst = ", ".join(f"{kind} {count}" for kind, count in kinds.head(3).items())
        table.add_row(
            name,
            meta["source"],
            f"{len(utterances):,}",
            " ".join(
                f"{split} {splits[split]:,}"
                for split in ("train", "dev", "test")
                if split in splits
            )
            or "by speaker",
            f"text {utterances['text'].notna().sum():,}, clips {utterances['clip'].notna().sum():,}",
            f"{len(defects)}" + (f": {worst}" if worst else ""),
            ""
            if utterances["clip"].notna().any()
            else "no clips: audio and video systems cannot run",
        )
    return table


def _how(name: str, source: str) -> str:
    if source in ("demo", "official"):
        module = corpora.load(name)
        if source == "official" and not module.SOURCES:
            return module.HOW_TO_GET
        return f"snakemake --cores 2 -- data/corpora/{name}/utterances.parquet"
    return "not read yet" if Path(source).is_dir() else f"{source}: no such folder"


def _checkpoints(root: Path, settings: params.Params, names: list[str]) -> Table:
    table = Table("checkpoint", "is", "at hand", title="checkpoints", title_justify="left")
    for name in names:
        asked, card = (
            settings.checkpoints[name].name,
            root / "data/checkpoints" / name / "SOURCE.json",
        )
        held = json.loads(card.read_text(encoding="utf-8"))["name"] if card.exists() else None
        table.add_row(name, asked, "yes" if held == asked else f"no, {held}" if held else "no")
    return table


def _device() -> str:
    """GPUs by the driver's own word; torch would take seconds to say the same."""
    cpu = f"{len(os.sched_getaffinity(0))} CPU cores"
    if shutil.which("nvidia-smi") is None:
        return f"{cpu}, no GPU"
    names = subprocess.run(
        ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"{cpu}, {', '.join(names.stdout.split(chr(10))[:-1]) or 'no GPU'}"


def _next_run(root: Path) -> str:
    """Jobs by rule as a dry run counts them."""
    dry = subprocess.run(
        ["snakemake", "--dry-run", "--quiet", "host", "--cores", "1"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    text = dry.stdout + dry.stderr
    if dry.returncode:
        return "cannot start: " + (text.strip().splitlines() or ["snakemake gave no reason"])[-1]
    jobs = re.findall(r"^(\w+) +(\d+)$", text.rpartition("Job stats:")[2], re.MULTILINE)
    if not jobs:
        return "nothing to do"
    return (
        ", ".join(f"{rule} {count}" for rule, count in jobs if rule not in ("all", "total"))
        + "   (snakemake --cores 2)"
    )
