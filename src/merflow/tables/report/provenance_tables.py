"""Tables of the report that no paper prints: corpora and their defects, what was not scored, cost, libraries."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from merflow import artifacts
from merflow.evaluation.predictions import Prepared, Result
from merflow.store import read_metadata
from merflow.tables.render import Column, Table, number, plain, prose, words

SPLITS = ("train", "dev", "test")
ABOUT: tuple[Column, ...] = (
    words("system", "system"),
    words("paper", "paper"),
    words("corpus", "corpus"),
)
ABOUT += (words("protocol", "protocol", plain),)


def source_of(folder: Path) -> str:
    """Where a prepared corpus is from: demo, official or a folder."""
    return str(_metadata(folder).get("source", "unknown"))


def corpora(prepared: Sequence[Path], known: dict[str, Prepared]) -> Iterator[Table]:
    """Sizes of all, then the defects of each that has some."""
    yield _sizes(prepared, known)
    for folder in prepared:
        defects = pd.read_csv(folder / "defects.csv", dtype=str, keep_default_na=False)
        if defects.empty:
            continue
        frame = (
            defects.groupby(["kind", "action"], sort=True)
            .agg(count=("kind", "size"), example=("detail", "first"))
            .reset_index()
        )
        columns = (
            words("kind", "kind"),
            number("count", "count"),
            words("what was done", "action"),
            prose("example", "example"),
        )
        yield Table(
            f"defects-{folder.name}",
            f"Defects of {folder.name}.",
            "What is wrong in the corpus, by kind.",
            frame,
            columns,
        )


def _metadata(folder: Path) -> dict[str, Any]:
    return read_metadata(folder / "utterances.parquet", artifacts.UTTERANCES)


def _sizes(prepared: Sequence[Path], known: dict[str, Prepared]) -> Table:
    rows = []
    for folder in prepared:
        corpus = known[folder.name]
        modalities = ", ".join(
            f"{name} {count}" for name, count in _metadata(folder).get("modalities", {}).items()
        )
        about = {
            "corpus": corpus.name,
            "source": source_of(folder),
            "utterances": len(corpus.utterances),
        }
        about |= {"dialogues": corpus.utterances["dialogue_id"].nunique(), "modalities": modalities}
        for scheme, members in corpus.splits.groupby("scheme"):
            sizes = members.groupby(["split", "fold"]).size()
            spans = {
                split: f"{sizes[split].min()}–{sizes[split].max()}" if split in sizes else ""
                for split in SPLITS
            }
            spans = {
                split: span.split("–")[0] if len(set(span.split("–"))) == 1 else span
                for split, span in spans.items()
            }
            rows.append(about | {"scheme": scheme, "folds": members["fold"].nunique()} | spans)
    columns = [
        words("corpus", "corpus"),
        words("source", "source"),
        number("utterances", "utterances"),
        number("dialogues", "dialogues"),
    ]
    columns += [
        words("scheme", "scheme"),
        number("folds", "folds"),
        *(number(split, split) for split in SPLITS),
    ]
    columns.append(words("modalities", "modalities"))
    caption = "Utterances, and who is train, dev and test under each split scheme (smallest–largest fold)."
    return Table("corpora-table", "Corpora.", caption, pd.DataFrame(rows), tuple(columns))


def cost(found: Sequence[Result]) -> Table:
    """Wall time of every result."""
    rows = []
    for result in found:
        runs = result.record.runs
        row = _about(result) | {
            "runs": len(runs),
            "minutes": sum(run.wall_s for run in runs) / 60,
        }
        row |= {
            "device": ", ".join(sorted({run.device for run in runs})),
            "inputs": ", ".join(dict.fromkeys(result.record.input_labels.values())),
        }
        rows.append(row)
    columns = [*ABOUT, number("runs", "runs"), number("minutes", "minutes", "{:.1f}".format)]
    columns += [words("device", "device"), words("inputs", "inputs")]
    caption = f"Wall time of training and prediction: {sum(row['minutes'] for row in rows):.1f} minutes in all."
    return Table("cost", "Cost.", caption, pd.DataFrame(rows), tuple(columns))


def left_out(found: Sequence[Result]) -> Table:
    """Utterances in scope that a system could not take, or not whole."""
    rows = []
    for result in found:
        about = _about(result)
        lacking = {name: ids for name, ids in result.record.left_out.items() if ids}
        rows += [
            about | {"input": name, "what": "absent", "utterances": len(ids), "first": min(ids)}
            for name, ids in lacking.items()
        ]
        cut = {name: count for name, count in result.record.cut.items() if count}
        rows += [
            about | {"input": name, "what": "cut", "utterances": count, "first": ""}
            for name, count in cut.items()
        ]
    columns = [
        *ABOUT,
        words("input", "input"),
        words("what", "what"),
        number("utterances", "utterances"),
        words("first", "first"),
    ]
    caption = (
        "Utterances in scope whose input is absent: no prediction, no score, though the trivial baselines are scored on them too; or is"
        " longer than the longest that the system takes, and was cut."
    )
    return Table("not-scored", "Not scored, or cut.", caption, pd.DataFrame(rows), tuple(columns))


def environment(found: Sequence[Result]) -> list[tuple[str, str]]:
    """Library versions that the runs name; several where runs differ."""
    pairs = {
        (name, version) for result in found for name, version in result.record.versions.items()
    }
    return [
        (name, ", ".join(sorted(version for key, version in pairs if key == name)))
        for name in sorted({name for name, _ in pairs})
    ]


def _about(result: Result) -> dict[str, Any]:
    return {
        name: getattr(result.record, name) for name in ("system", "paper", "corpus", "protocol")
    }
