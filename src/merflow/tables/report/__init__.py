"""The step ``report``: one static folder of HTML.

It works from disk without network, on a phone and by keyboard. It has a summary (index.html), and
per paper a page (<paper>.html) and a page about its runs (<paper>-runs.html), to which rows and
figures link. Nothing is scored here: tables come from the step ``tables``, figures from checked
predictions.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from merflow.evaluation.predictions import Prepared, Result, read_result
from merflow.paths import result_name
from merflow.store import write_folder
from merflow.tables import OVERALL
from merflow.tables.index import Entry, Index
from merflow.tables.report import provenance_tables
from merflow.tables.report.figures import Draw, drawing, figures, sheet
from merflow.tables.report.page_tables import Tables
from merflow.tables.report.pages import Pages, Section, assets
from merflow.tables.report.runs import addresses


def write(
    tables: Path,
    results: Sequence[Path],
    prepared: Sequence[Path],
    sheets: Sequence[Path],
    out: Path,
    scratch: Path | None = None,
) -> None:
    """Write the report: pages, figures/ and tables/ for download.

    Args:
        tables: results/tables as written by merflow.tables.compare. Results that its index calls
            missing are left out here too.
        results: folders results/<paper>/<system>/<corpus>-<protocol>.
        prepared: folders data/corpora/<corpus>.
        sheets: folders as written by merflow.tables.frame_sheet.
        out: folder to write.
        scratch: folder of earlier plots, which need not be drawn again.

    Raises:
        StoreError: tables or a sheet are absent, a row is of runs that are not among `results`,
            or `out` cannot be written.
        EvaluationError: predictions do not fit the corpus.
    """
    index = Index.read(tables)
    prepared = sorted(prepared)
    corpora = {folder.name: Prepared.read(folder) for folder in prepared}
    checked = _results(results, corpora, {result.name for result in index.missing})
    files = assets()
    written = Tables(tables, addresses(checked), files)
    overall = written.read(OVERALL, index.overall)
    of_papers = {paper: written.read(paper, names) for paper, names in index.papers.items()}
    contents = [sheet(folder, files) for folder in sheets]
    with drawing(scratch) as draw:
        sections = [
            _section(
                entry, written, _of(checked, entry.paper, entry.corpus), corpora, contents, draw
            )
            for entry in index.sections
        ]
    pages = Pages(sections, of_papers, [result.message for result in index.missing])
    files |= pages.summary(
        checked,
        demo=_demo(sections, prepared),
        overall=overall,
        corpora=provenance_tables.corpora(prepared, corpora),
        cost=provenance_tables.cost(checked),
        environment=provenance_tables.environment(checked),
    )
    for paper in pages.sections:
        files |= pages.paper(paper, _of(checked, paper))
    write_folder(out, files)


def _results(
    folders: Sequence[Path], corpora: Mapping[str, Prepared], missing: Collection[str]
) -> list[Result]:
    """Checked results in natural order, without those that the tables were made without."""
    chosen = [folder for folder in folders if result_name(folder) not in missing]
    return [read_result(folder, corpora) for folder in sorted(chosen, key=_natural)]


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sort key that puts text_bert_8 before text_bert_16."""
    pieces = re.split(r"(\d+)", str(path))
    return [(int(piece), "") if piece.isdigit() else (0, piece) for piece in pieces]


def _of(results: Sequence[Result], paper: str, corpus: str | None = None) -> list[Result]:
    return [
        result
        for result in results
        if result.record.paper == paper and corpus in (None, result.record.corpus)
    ]


def _section(
    entry: Entry,
    tables: Tables,
    results: Sequence[Result],
    corpora: Mapping[str, Prepared],
    sheets: Sequence[Mapping[str, Any]],
    draw: Draw,
) -> Section:
    """A section of index.json with tables, figures and frame sheets of its results."""
    systems = {
        (result.record.paper, result.record.corpus, result.record.system) for result in results
    }
    return Section(
        entry.paper,
        entry.corpus,
        demo=entry.demo,
        extra=entry.extra,
        headlines=entry.headlines,
        tables=tables.read(entry.paper, entry.tables),
        kinds=figures(results, corpora, draw, tables.files),
        sheets=[
            content
            for content in sheets
            if (content["paper"], content["corpus"], content["system"]) in systems
        ],
    )


def _demo(sections: Sequence[Section], prepared: Sequence[Path]) -> list[str]:
    """Names of the demo corpora."""
    names = {section.corpus for section in sections if section.demo}
    demo = (folder for folder in prepared if provenance_tables.source_of(folder) == "demo")
    return sorted(names | {folder.name for folder in demo})
