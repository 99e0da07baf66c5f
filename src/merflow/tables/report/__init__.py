"""The step ``report``: one static folder of HTML that works from disk, without network, on a phone and by keyboard.

A summary (index.html), a page per paper (<paper>.html), and a page per paper about its runs (<paper>-runs.html), to which rows and
pictures lead. Nothing is computed here: tables come from the step ``tables``, pictures from checked predictions.
"""

import json
import re
from collections.abc import Iterable, Sequence
from html import unescape
from pathlib import Path
from typing import Any

from merflow.errors import StoreError
from merflow.evaluation.predictions import Prepared, Result, name_of, read_result
from merflow.store import write_folder
from merflow.tables import OVERALL
from merflow.tables.render import TEMPLATES, Table, html, runs_page
from merflow.tables.report import provenance_tables
from merflow.tables.report.pictures import Files, drawing, pictures, sheet
from merflow.tables.report.runs import provenance

FORMATS = {
    "csv": "CSV, full precision",
    "tex": "LaTeX",
}  # Markdown and HTML stand in results/tables
SUMMARY = "index.html"
ATTRIBUTE = re.compile(
    r'\s(id|href|src)="([^"]+)"'
)  # of a tag, as templates write it; in text they escape quotation marks


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
        tables: results/tables as written by merflow.tables.compare; results that its index calls missing are left out here too.
        results: folders results/<paper>/<system>/<corpus>-<protocol>.
        prepared: folders data/corpora/<corpus>.
        sheets: folders as written by merflow.tables.frame_sheet.
        out: folder to write.
        scratch: folder of pictures that were drawn before, and need not be again.

    Raises:
        StoreError: tables or a sheet are absent, a row leads to runs that are not among `results`, or `out` cannot be written.
        EvaluationError: predictions do not fit the corpus.
    """
    index = _index(tables / "index.json")
    prepared = sorted(prepared)
    corpora = {folder.name: Prepared.read(folder) for folder in prepared}
    refused = {line.partition(":")[0] for line in index["missing"]}
    found = [
        read_result(folder, corpora)
        for folder in sorted(results, key=_natural)
        if name_of(folder) not in refused
    ]
    files: Files = {}
    overall = [_table(tables, OVERALL, table, files) for table in index["overall"]]
    drawn = [sheet(folder, files) for folder in sheets]
    with drawing(scratch) as draw:
        for section in index["sections"]:
            section["tables"] = [
                _table(tables, section["paper"], table, files) for table in section["tables"]
            ]
            members = _members(found, section["paper"], section["corpus"])
            section["kinds"] = pictures(members, draw, files)
            ours = {one.record.system for one in members}
            about = (section["paper"], section["corpus"])
            section["sheets"] = [
                one
                for one in drawn
                if (one["paper"], one["corpus"]) == about and one["system"] in ours
            ]
    papers = list(dict.fromkeys(section["paper"] for section in index["sections"]))
    sections = {
        paper: [one for one in index["sections"] if one["paper"] == paper] for paper in papers
    }
    demo = {paper: [one["corpus"] for one in sections[paper] if one["demo"]] for paper in papers}
    made = {one["corpus"] for one in index["sections"] if one["demo"]}
    made |= {folder.name for folder in prepared if provenance_tables.source_of(folder) == "demo"}
    shared = {
        "papers": papers,
        "missing": index["missing"],
        "formats": FORMATS,
        "runs_page": runs_page,
    }

    def page(name: str, template: str, **told: Any) -> None:
        files[name] = TEMPLATES.get_template(template).render(page=name, **shared, **told)

    page(
        SUMMARY,
        "summary.html.j2",
        demo=sorted(made),
        overall=overall,
        sections=sections,
        corpora=_rendered(provenance_tables.corpora(prepared, corpora)),
        cost=_rendered([provenance_tables.cost(found), provenance_tables.left_out(found)]),
        environment=provenance_tables.environment(found),
        totals={
            "systems": len({(r.record.paper, r.record.system) for r in found}),
            "runs": sum(len(r.record.runs) for r in found),
        },
    )
    for paper in papers:
        page(
            f"{paper}.html",
            "paper.html.j2",
            paper=paper,
            demo=demo[paper],
            sections=sections[paper],
        )
        page(
            runs_page(paper),
            "runs.html.j2",
            paper=paper,
            demo=demo[paper],
            systems=provenance(_members(found, paper)),
        )
    files |= {
        name: TEMPLATES.get_template(f"{name}.j2").render() for name in ("report.css", "report.js")
    }
    _check_links(files)
    write_folder(out, files)


def _index(path: Path) -> dict[str, Any]:
    try:
        index: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be read ({error.strerror}); build it with `snakemake --cores 2 -- {path}`"
        ) from error
    return index


def _table(tables: Path, folder: str, table: dict[str, Any], files: Files) -> dict[str, Any]:
    """A table as a page shows it; its other forms go into `files`."""
    stem = f"{folder}/{table['name']}"
    try:
        files |= {
            f"tables/{stem}.{suffix}": (tables / f"{stem}.{suffix}").read_text(encoding="utf-8")
            for suffix in FORMATS
        }
        text = (tables / f"{stem}.html").read_text(encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"{error.filename}: cannot be read ({error.strerror}); delete {tables} and build it anew"
        ) from error
    anchor = re.search(r'id="([^"]*)"', text)
    return table | {
        "html": _linked(text),
        "files": f"tables/{stem}",
        "anchor": anchor[1] if anchor else table["name"],
    }


def _linked(text: str) -> str:
    """Names of systems in a table lead to their runs, and may break where a phone is too narrow for them."""
    return re.sub(
        r'<span data-runs="([^"]*)">(.*?)</span>',
        lambda found: f'<a href="{found[1]}">{found[2].replace("_", "_<wbr>")}</a>',
        text,
    )


def _natural(path: Path) -> list[tuple[int, str]]:
    """text_bert_8 before text_bert_16."""
    return [
        (int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", str(path))
    ]


def _members(found: Sequence[Result], paper: str, corpus: str | None = None) -> list[Result]:
    return [
        one for one in found if one.record.paper == paper and corpus in (None, one.record.corpus)
    ]


def _rendered(tables: Iterable[Table]) -> list[dict[str, Any]]:
    """Those that have rows; long ones are folded."""
    return [
        {"title": one.title, "html": _linked(html(one)), "folded": len(one.frame) > 20}
        for one in tables
        if len(one.frame)
    ]


def _check_links(files: Files) -> None:
    """Refuse a link or a picture that leads nowhere, as from a row to runs that were not handed in."""
    pages = {
        name: ATTRIBUTE.findall(text)
        for name, text in files.items()
        if isinstance(text, str) and name.endswith(".html")
    }
    ids = {
        name: {unescape(value) for key, value in found if key == "id"}
        for name, found in pages.items()
    }
    for name, found in pages.items():
        for target in dict.fromkeys(
            unescape(value)
            for key, value in found
            if key != "id" and not value.startswith("https:")
        ):
            path, _, anchor = target.partition("#")
            path = path or name
            if path not in files or (anchor and anchor not in ids[path]):
                raise StoreError(
                    f"report: {name} leads to {target}, which is not there: tables and results are of different runs;"
                    " build both anew with `snakemake --cores 2`"
                )
