"""`merflow stores`: decoded media and feature stores, with size, cost and defects."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from merflow import artifacts, paths, progress, store
from merflow.errors import MerflowError, reason

MB = 1e6


def show(root: Path, console: Console | None = None) -> None:
    """Print the stores of the checkout at `root`.

    Seconds are the wall time of the jobs that made a store, where these ran in this checkout.
    """
    console = console or progress.console()
    sizes = ("utterances", "frames", "dim", "MB", "seconds")
    columns = ("corpus", "store", *sizes, "made with", "defects")
    table = Table(*columns, title="stores", title_justify="left")
    for row in overview(root):
        numbers = (
            f"{row['utterances']:,}",
            f"{row['frames']:,}",
            str(row["dim"] or ""),
            f"{row['bytes'] / MB:.1f}",
            "" if row["seconds"] is None else f"{row['seconds']:.0f}",
        )
        table.add_row(row["corpus"], row["store"], *numbers, row["with"], row["defects"])
    console.print(table if table.row_count else "no stores yet: snakemake --cores 2")


def overview(root: Path) -> list[dict[str, Any]]:
    """Describe each medium and feature store.

    Returns:
        A row per store: corpus, store, utterances, frames, dim, bytes, seconds, with (its
        checkpoint), defects.
    """
    media = f"{paths.MEDIUM.format(corpus='*', medium='*')}/{paths.INDEX}"
    features = paths.FEATURE.format(corpus="*", feature="*")
    rows = [_row(_medium, root, index.parent) for index in sorted(root.glob(media))]
    rows += [_row(_feature, root, path) for path in sorted(root.glob(features))]
    return sorted(rows, key=lambda row: row["corpus"])


def _row(
    describe: Callable[[Path, Path], dict[str, Any]], root: Path, place: Path
) -> dict[str, Any]:
    """Describe a store, or say that it cannot be read."""
    try:
        return describe(root, place)
    except (MerflowError, OSError, ValueError, LookupError) as error:
        empty = {"utterances": 0, "frames": 0, "dim": None, "bytes": 0, "seconds": None, "with": ""}
        defects = str(error)
        if not isinstance(error, MerflowError):
            defects = f"cannot be read ({reason(error)}); delete {place} and run again"
        return {"corpus": place.parent.name, "store": place.stem, **empty, "defects": defects}


def _medium(root: Path, folder: Path) -> dict[str, Any]:
    index, corpus = store.read_index(folder), folder.parent.name
    defects = pd.read_csv(folder.parent / paths.DEFECTS)
    medium = "audio" if folder.name == "audio" else "frames"
    # a defect without a medium concerns the whole clip
    kinds = defects.loc[defects["medium"].fillna(medium) == medium, "kind"]
    return {
        "corpus": corpus,
        "store": folder.name,
        "utterances": sum(part["utterances"] for part in index["parts"]),
        "frames": sum(part["rows"] for part in index["parts"]),
        "dim": None,
        "bytes": sum(path.stat().st_size for path in folder.iterdir()),
        "seconds": _seconds(root / "build/logs/decode", f"{corpus}-*-of-*.tsv"),
        "with": "",
        "defects": _listed(Counter(kinds)),
    }


def _feature(root: Path, path: Path) -> dict[str, Any]:
    corpus, feature = path.parent.name, path.stem
    meta = store.read_metadata(path, artifacts.FEATURES)
    lengths = store.read_table(path, artifacts.FEATURES, ["n_frames"])["n_frames"]
    return {
        "corpus": corpus,
        "store": feature,
        "utterances": len(lengths),
        "frames": int(lengths.sum()),
        "dim": meta["dim"],
        "bytes": path.stat().st_size,
        "seconds": _seconds(root / "build/logs/extract", f"{corpus}-{feature}-*-of-*.tsv"),
        "with": meta["spec"].get("checkpoint", {}).get("name", ""),
        "defects": _listed(Counter(defect["kind"] for defect in meta["defects"])),
    }


def _seconds(folder: Path, pattern: str) -> float | None:
    """Wall time of the jobs, as they report it (merflow.usage)."""
    times = [pd.read_csv(path, sep="\t")["s"].sum() for path in folder.glob(pattern)]
    return float(sum(times)) if times else None


def _listed(kinds: dict[str, int]) -> str:
    return ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
