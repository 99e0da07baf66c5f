"""The step ``tables``: a paper's printed numbers beside ours, and what they say of its claims.

Per paper and corpus, the most important first: the paper's own tables under each protocol (paper_tables), its claims with verdicts
(verdicts), what the arithmetic of its numbers says (audit), then everything that was measured (overview): test results under all
protocols side by side, dev results, classes, single seeds, and differences between systems. What was not run is a row that says so.
Figures from a demo corpus are named so in title, source column and notes, and are never subtracted from printed ones.
"""

import json
from pathlib import Path

from merflow import artifacts
from merflow.store import read_metadata, read_table, write_folder
from merflow.tables import audit, compression, overview, paper_tables, verdicts
from merflow.tables.claims import load_claims
from merflow.tables.comparison import Comparison
from merflow.tables.render import render
from merflow.tables.reported import load


def build(scores: Path, reported: Path, out: Path) -> None:
    """Write results/tables: per table <paper>/<corpus>-<table>.{md,csv,html,tex}, and index.json.

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
    index = []
    for path in sorted(reported.glob("*.csv")):
        paper, printed = path.stem, load(reported, path.stem)
        claimed = load_claims(reported, paper, printed)
        ours = measured[measured["paper"] == paper]
        for corpus in dict.fromkeys([*printed["corpus"], *ours["corpus"]]):
            view = Comparison(paper, corpus, printed, ours[ours["corpus"] == corpus], confidence)
            judged = verdicts.table(view, [claim for claim in claimed if corpus in claim.corpora])
            every = (*paper_tables.tables(view), judged, *compression.tables(view), *audit.tables(view), *overview.tables(view))
            tables = [table for table in every if len(table.frame)]
            for table in tables:
                files |= {f"{paper}/{name}": text for name, text in render(table).items()}
            listed = [{"name": table.name, "title": table.title, "folded": table.folded} for table in tables]
            said = [*verdicts.headlines(view, judged), *overview.headlines(view)]
            about = {"paper": paper, "corpus": corpus, "demo": view.demo, "extra": view.extra}
            index.append(about | {"headlines": said, "tables": listed})
    files["index.json"] = json.dumps(index, indent=1, ensure_ascii=False) + "\n"
    write_folder(out, files)
