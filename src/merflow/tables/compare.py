"""The step ``tables``: a paper's printed numbers beside ours, and what they say of its claims.

Per paper and corpus, the most important first: the paper's own tables under each protocol (paper_tables), its claims with verdicts
(verdicts), what the protocols differ in (protocols), what the arithmetic of its numbers says (audit), then everything that was measured
(overview): test results under all protocols side by side, dev results, classes, single seeds, and differences between systems. Where
protocols ask different things of a system, each of these has a table for either. What was not run is a row that says so. Figures from a
demo corpus are named so in title, source column and notes, and are never subtracted from printed ones.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from merflow import artifacts
from merflow.evaluation.metrics import VERSUS
from merflow.store import read_metadata, read_table, write_folder
from merflow.tables import audit, compression, overview, paper_tables, protocols, verdicts
from merflow.tables.claims import load_claims
from merflow.tables.comparison import views
from merflow.tables.render import Table, render
from merflow.tables.reported import load

OVERALL = "overall"  # folder of the tables about all papers


def build(scores: Path, reported: Path, out: Path) -> None:
    """Write results/tables: per table <paper>/<corpus>-<table>.{md,csv,html,tex}, those of all papers in overall/, and index.json.

    Args:
        scores: results/scores.parquet.
        reported: folder of printed numbers and claims, one file of each per paper.
        out: folder to write.

    Raises:
        EvaluationError: a file of printed numbers or of claims is malformed.
        StoreError: scores are absent, or `out` cannot be written.
    """
    measured = read_table(scores, artifacts.SCORES)
    confidence = read_metadata(scores, artifacts.SCORES)["evaluation"]["confidence"]
    files: dict[str, str] = {}
    sections = []
    audited = {}
    for path in sorted(reported.glob("*.csv")):
        paper, printed = path.stem, load(reported, path.stem)
        claimed = load_claims(reported, paper, printed)
        ours = measured[measured["paper"] == paper]
        for corpus in dict.fromkeys([*printed["corpus"], *ours["corpus"]]):
            here = ours[ours["corpus"] == corpus]
            found = views(paper, corpus, printed, here, confidence)
            judged = [verdicts.table(view, [claim for claim in claimed if corpus in claim.corpora]) for view in found]
            tables = [table for view, claims in zip(found, judged, strict=True) for table in (*paper_tables.tables(view), claims)]
            tables += [protocols.gap(found, here[here["protocol"].str.contains(VERSUS, regex=False)]), protocols.leakage(found)]
            tables += [table for view in found for table in compression.tables(view)]
            looked = audit.examine(paper, corpus, printed, found[0], [claim for claim in claimed if corpus in claim.corpora])
            audited[paper, corpus] = looked
            tables += [audit.section(found[0], looked), *(table for view in found for table in overview.tables(view))]
            said = [line for view, claims in zip(found, judged, strict=True) for line in verdicts.headlines(view, claims)]
            said += [line for view in found for line in overview.headlines(view)]
            about = {"paper": paper, "corpus": corpus, "demo": found[0].demo, "extra": found[0].extra}
            sections.append(about | {"headlines": said, "tables": _add(tables, paper, files)})
    index = {"overall": _add(audit.overall(audited), OVERALL, files), "sections": sections}
    files["index.json"] = json.dumps(index, indent=1, ensure_ascii=False) + "\n"
    write_folder(out, files)


def _add(tables: Iterable[Table], folder: str, files: dict[str, str]) -> list[dict[str, Any]]:
    """Render tables that have a row into `files`; what index.json says of each."""
    shown = [table for table in tables if len(table.frame)]
    for table in shown:
        files |= {f"{folder}/{name}": text for name, text in render(table).items()}
    return [{"name": table.name, "title": table.title, "folded": table.folded} for table in shown]
