"""Tables of the report about corpora and their defects, cost, left out utterances and libraries."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from merflow import artifacts
from merflow.evaluation.predictions import Prepared, Result
from merflow.paths import DEFECTS, UTTERANCES
from merflow.store import read_metadata
from merflow.tables.measured import NAN
from merflow.tables.render import Table, number, percent, plain, prose, words
from merflow.tables.report.page_tables import PageTable

SPLITS = ("train", "dev", "test")
LONG = 20  # rows: with more, a page shows the title first
RESULT = (
    words("system", "system"),
    words("paper", "paper"),
    words("corpus", "corpus"),
    words("protocol", "protocol", plain),
)


def source_of(folder: Path) -> str:
    """Origin of a prepared corpus: demo, official or a folder."""
    return str(_metadata(folder).get("source", "unknown"))


def corpora(folders: Sequence[Path], prepared: Mapping[str, Prepared]) -> list[PageTable]:
    """Tables of the sizes of all corpora, then of the defects of each.

    Args:
        folders: data/corpora/<corpus>.
        prepared: their content, by corpus.
    """
    sizes = _sizes([(folder, prepared[folder.name]) for folder in folders])
    return _with_rows([sizes, *map(_defects, folders)])


def _with_rows(tables: Iterable[Table]) -> list[PageTable]:
    """Keep tables that have a row, and fold long ones."""
    return [
        PageTable(replace(table, folded=len(table.frame) > LONG).rendered)
        for table in tables
        if len(table.frame)
    ]


def _metadata(folder: Path) -> dict[str, Any]:
    return read_metadata(folder / UTTERANCES, artifacts.UTTERANCES)


def _defects(folder: Path) -> Table:
    defects = pd.read_csv(folder / DEFECTS, dtype=str, keep_default_na=False)
    defects = defects.reindex(columns=["kind", "medium", "detail", "action"], fill_value="")
    # a column "kind" would set the looks of the rows
    defects = defects.rename(columns={"kind": "defect"})
    groups = defects.groupby(["defect", "medium", "action"], sort=True)
    frame = groups.agg(count=("defect", "size"), example=("detail", "first")).reset_index()
    columns = (
        words("kind", "defect"),
        words("medium", "medium"),
        number("count", "count"),
        words("action", "action"),
        prose("example", "example"),
    )
    title = f"Defects of {folder.name}."
    caption = (
        "By kind, with the medium that is damaged or lost. Without a medium, the defect concerns"
        " the whole clip, or labels, splits, counts and files."
    )
    return Table(f"defects-{folder.name}", title, caption, frame, columns)


def _sizes(corpora: Sequence[tuple[Path, Prepared]]) -> Table:
    rows = []
    for folder, corpus in corpora:
        modalities = _metadata(folder).get("modalities", {}).items()
        shared = {
            "corpus": corpus.name,
            "source": source_of(folder),
            "utterances": len(corpus.utterances),
            "dialogues": corpus.utterances["dialogue_id"].nunique(),
            "modalities": ", ".join(f"{name} {count}" for name, count in modalities),
        }
        for scheme, members in corpus.splits.groupby("scheme"):
            folds = {"scheme": scheme, "folds": members["fold"].nunique()}
            rows.append(shared | folds | _split_sizes(members))
    columns = (
        words("corpus", "corpus"),
        words("source", "source"),
        number("utterances", "utterances"),
        number("dialogues", "dialogues"),
        words("scheme", "scheme"),
        number("folds", "folds"),
        *(number(split, split) for split in SPLITS),
        words("modalities", "modalities"),
    )
    caption = "Utterances in train, dev and test under each split scheme (smallest–largest fold)."
    return Table("corpora-table", "Corpora.", caption, pd.DataFrame(rows), columns)


def _split_sizes(members: pd.DataFrame) -> dict[str, str]:
    """Size of each split of a scheme: one number, or smallest–largest fold."""
    sizes = members.groupby(["split", "fold"]).size()
    texts = dict.fromkeys(SPLITS, "")
    for split in members["split"].unique():
        limits = dict.fromkeys((sizes[split].min(), sizes[split].max()))
        texts[split] = "–".join(map(str, limits))
    return texts


def cost(results: Sequence[Result]) -> list[PageTable]:
    """Tables of wall time, and of utterances that systems left out or cut."""
    return _with_rows([_wall_time(results), _left_out(results)])


def _wall_time(results: Sequence[Result]) -> Table:
    rows = [
        _names(result)
        | {
            "runs": len(result.record.runs),
            "minutes": sum(run.wall_s for run in result.record.runs) / 60,
            "device": ", ".join(sorted({run.device for run in result.record.runs})),
            "inputs": ", ".join(dict.fromkeys(result.record.input_labels.values())),
        }
        for result in results
    ]
    columns = (
        *RESULT,
        number("runs", "runs"),
        number("minutes", "minutes", "{:.1f}".format),
        words("device", "device"),
        words("inputs", "inputs"),
    )
    minutes = sum(row["minutes"] for row in rows)
    caption = f"Wall time of training and prediction: {minutes:.1f} minutes in all."
    return Table("cost", "Cost.", caption, pd.DataFrame(rows), columns)


def _left_out(results: Sequence[Result]) -> Table:
    rows = []
    for result in results:
        for name, ids in result.record.left_out.items():
            absent = {"input": name, "reason": "absent", "utterances": len(ids), "share": NAN}
            rows += [_names(result) | absent | {"first": min(ids)}] if ids else []
        for name, count in result.record.cut.items():
            share = result.record.cut_share.get(name, NAN)
            cut = {"input": name, "reason": "cut", "utterances": count, "first": "", "share": share}
            rows += [_names(result) | cut] if count else []
    columns = (
        *RESULT,
        words("input", "input"),
        words("reason", "reason"),
        number("utterances", "utterances"),
        words("first", "first"),
        number("of all frames, %", "share", percent),
    )
    caption = (
        "Absent: the utterance lacks the input, so it has no prediction and no score. The trivial"
        " baselines are scored on it too. Cut: the input is longer than the system takes, and"
        " its end is left out: a share of the frames of all utterances."
    )
    return Table("not-scored", "Not scored, or cut.", caption, pd.DataFrame(rows), columns)


def environment(results: Sequence[Result]) -> list[tuple[str, str]]:
    """Libraries with their versions, several where runs differ."""
    versions: dict[str, set[str]] = {}
    for result in results:
        for name, version in result.record.versions.items():
            versions.setdefault(name, set()).add(version)
    return [(name, ", ".join(sorted(versions[name]))) for name in sorted(versions)]


def _names(result: Result) -> dict[str, Any]:
    record = result.record
    return {name: getattr(record, name) for name in ("system", "paper", "corpus", "protocol")}
