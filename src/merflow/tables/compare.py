"""The step ``tables``: a paper's printed numbers beside ours, and what they say of its claims.

Per paper and corpus, the most important first: the paper's own tables under each protocol (paper_tables), its claims with verdicts
(verdicts), what the protocols differ in (protocols), what the arithmetic of its numbers says (audit), then everything that was measured
(overview): test results under all protocols side by side, dev results, classes, single seeds, and differences between systems. Where
protocols ask different things of a system, each of these has a table for either. What was not run is a row that says so. Figures from a
demo corpus are named so in title, source column and notes, and are never subtracted from printed ones.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from merflow import artifacts
from merflow.evaluation.metrics import VERSUS
from merflow.paths import TABLE_INDEX, TABLE_PAGE
from merflow.store import read_metadata, read_table, write_folder
from merflow.tables import (
    OVERALL,
    audit,
    compression,
    cross,
    dvc_files,
    overall,
    overview,
    paper_tables,
    protocols,
    verdicts,
)
from merflow.tables.claims import load_claims
from merflow.tables.comparison import views
from merflow.tables.html import page
from merflow.tables.render import Table, plain, render
from merflow.tables.reported import load

TEXTS = {
    field.name: object for field in artifacts.SCORES if pa.types.is_string(field.type)
}  # Python's strings: they are looked at one by one


@pd.option_context(
    "mode.string_storage", "python"
)  # frames of a few rows: Arrow's strings would take longer
def build(
    scores: Path,
    reported: Path,
    out: Path,
    papers: Sequence[str] | None = None,
    corpora: Sequence[str] | None = None,
) -> None:
    """Write results/tables.

    Per table <paper>/<corpus>-<table>.{md,csv,html,tex}, those of all papers in overall/, what DVC shows, and index.json.

    Args:
        scores: results/scores.parquet.
        reported: folder of printed numbers and claims, one file of each per paper.
        out: folder to write.
        papers: that have tables; None: all that print numbers.
        corpora: that have tables; None: all that are printed or measured.

    Raises:
        EvaluationError: a file of printed numbers or of claims is malformed.
        StoreError: scores are absent, or `out` cannot be written.
    """
    measured = read_table(scores, artifacts.SCORES)
    about = read_metadata(scores, artifacts.SCORES)
    confidence, missing = about["evaluation"]["confidence"], about.get("missing", {})
    files: dict[str, str] = {}
    sections, studied, audited = [], [], {}
    papers = [
        path.stem
        for path in sorted(reported.glob("*.csv"))
        if papers is None or path.stem in papers
    ]
    for paper in papers:
        printed = load(reported, paper)
        claimed = load_claims(reported, paper, printed)
        ours = measured[measured["paper"] == paper]
        for corpus in dict.fromkeys([*printed["corpus"].unique(), *ours["corpus"].unique()]):
            if corpora is not None and corpus not in corpora:
                continue
            here = ours[ours["corpus"] == corpus].astype(TEXTS)
            gone = {
                name: line
                for name, line in missing.items()
                if re.match(rf"results/{paper}/\w+/{corpus}-", name)
            }
            found = views(paper, corpus, printed, here, confidence, _by_system(gone))
            about_it = [claim for claim in claimed if corpus in claim.corpora]
            judged = [verdicts.table(view, about_it) for view in found]
            tables = [
                table
                for view, claims in zip(found, judged, strict=True)
                for table in (*paper_tables.tables(view), claims)
            ]
            gap = protocols.gap(found, here[here["protocol"].str.contains(VERSUS, regex=False)])
            studied.append(overall.Studied(found, judged, gap, protocols.leakage(found)))
            tables += [gap, studied[-1].leakage]
            tables += [table for view in found for table in compression.tables(view)]
            audited[paper, corpus] = looked = audit.examine(corpus, printed, found[0], about_it)
            tables.append(audit.section(paper, corpus, looked))
            tables += [
                table
                for view in found
                for table in overview.tables(view, verdicts.compared(view, about_it))
            ]
            said = [
                line
                for view, claims in zip(found, judged, strict=True)
                for line in verdicts.headlines(view, claims)
            ]
            said += [line for view in found for line in overview.headlines(view)]
            section = {
                "paper": paper,
                "corpus": corpus,
                "demo": found[0].demo,
                "extra": found[0].extra,
            }
            sections.append(
                section | {"headlines": said, "tables": _add(tables, paper, files, gone.values())}
            )
    everything = [
        *cross.tables([view for one in studied for view in one.views]),
        *overall.tables(studied),
        *audit.overall(audited),
    ]
    files |= dvc_files.files([view for one in studied for view in one.views])
    index = {
        "missing": list(missing.values()),
        "overall": _add(everything, OVERALL, files, missing.values()),
        "sections": sections,
    }
    for folder in (OVERALL, *papers):
        files[f"{folder}/{TABLE_PAGE}"] = page(
            plain(folder),
            [text for name, text in files.items() if re.match(rf"{folder}/.*\.html", name)],
        )
    files[TABLE_INDEX] = json.dumps(index, indent=1, ensure_ascii=False) + "\n"
    write_folder(out, files)


def _by_system(missing: Mapping[str, str]) -> dict[str, str]:
    """System -> what is said of its results that are absent or were refused."""
    found: dict[str, list[str]] = {}
    for name, line in missing.items():
        found.setdefault(name.split("/")[2], []).append(
            line.replace("; ", ", ")
        )  # a note is remarks, separated by "; "
    return {system: "; ".join(lines) for system, lines in found.items()}


def _add(
    tables: Iterable[Table], folder: str, files: dict[str, str], missing: Iterable[str] = ()
) -> list[dict[str, Any]]:
    """Render tables that have a row into `files`, each with what they were made without; what index.json says of each."""
    without = tuple(f"Made without {line}" for line in missing)
    shown = [replace(table, notes=(*without, *table.notes)) for table in tables if len(table.frame)]
    for table in shown:
        files |= {f"{folder}/{name}": text for name, text in render(table).items()}
    return [{"name": table.name, "title": table.title, "folded": table.folded} for table in shown]
