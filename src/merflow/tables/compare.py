"""The step ``tables``: a paper's printed numbers beside ours, and its claims judged by ours.

Per paper and corpus, the most important first:
- paper_tables: the paper's own tables under each protocol
- verdicts: claims with verdicts
- protocols: gaps and leakage of the protocols
- audit: arithmetic of the printed numbers
- overview, differences: everything that was measured

Per paper, deviation_tables: what is done otherwise, and what it changes.

Where protocols have different tasks, each task has its own tables. A system that was
not run is a row that says so. Scores of a demo corpus are named so in title, source column and
notes, and are never subtracted from printed ones.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from merflow.evaluation.scored import MissingResult, Scores
from merflow.paths import TABLE_INDEX, TABLE_PAGE
from merflow.store import write_folder
from merflow.tables import (
    OVERALL,
    audit,
    compression,
    cross,
    deviation_tables,
    differences,
    dvc_files,
    overall,
    overview,
    paper_tables,
    protocols,
    verdicts,
)
from merflow.tables.absence import Modalities
from merflow.tables.claims import Claim, load_claims
from merflow.tables.comparison import Comparison, comparisons
from merflow.tables.deviations import Deviation, load_deviations, pairs_of
from merflow.tables.headlines import headlines
from merflow.tables.html import page
from merflow.tables.index import Entry, Index
from merflow.tables.overall import CorpusTables
from merflow.tables.render import Table, plain, render
from merflow.tables.reported import load
from merflow.tables.table_notes import TableNote, load_notes, noted


# Frames have a few rows: Arrow's strings would take longer.
@pd.option_context("mode.string_storage", "python")
def build(
    scores: Path,
    reported: Path,
    out: Path,
    papers: Sequence[str] | None = None,
    corpora: Sequence[str] | None = None,
    modalities: Modalities | None = None,
) -> None:
    """Write results/tables: each table in all its forms, files for DVC, and index.json.

    Args:
        scores: folder results/scores.
        reported: folder of printed numbers, claims, deviations and notes, of each paper.
        out: folder to write.
        papers: papers that have tables; None: all that print numbers.
        corpora: corpora that have tables; None: all that are printed or measured.
        modalities: modalities that systems of all papers need, by list of params.yaml;
            None: unknown.

    Raises:
        EvaluationError: a file of printed numbers, claims, deviations or notes is malformed.
        StoreError: scores are absent, or `out` cannot be written.
    """
    measured = Scores.read(scores)
    with_numbers = [path.stem for path in sorted(reported.glob("*.csv"))]
    papers = [paper for paper in with_numbers if papers is None or paper in papers]
    files, entries, of_papers = _Files(), [], {}
    sections: list[_Section] = []
    for paper in papers:
        of_paper = list(_sections(paper, reported, measured, corpora, modalities))
        for section in of_paper:
            tables = _ordered(section)
            names = files.add(paper, tables, measured.of(paper, section.corpus).missing)
            entries.append(_entry(section, names))
        of_papers[paper] = tuple(files.add(paper, _of_all_corpora(of_paper), ()))
        sections += of_paper
    every = [comparison for section in sections for comparison in section.comparisons]
    summaries = [
        *cross.tables(every),
        *overall.tables([section.summary for section in sections]),
        *audit.overall({(section.paper, section.corpus): section.audit for section in sections}),
    ]
    names = files.add(OVERALL, summaries, measured.missing)
    index = Index(
        missing=measured.missing,
        overall=tuple(names),
        papers=of_papers,
        sections=tuple(entries),
    )
    for folder in (OVERALL, *papers):
        files[f"{folder}/{TABLE_PAGE}"] = page(plain(folder), files.fragments(folder))
    files |= dvc_files.files(every)
    files[TABLE_INDEX] = index.text
    write_folder(out, files)


@dataclass(frozen=True)
class _Section:
    """A paper on a corpus.

    Attributes:
        summary: comparisons, and tables that tables of all papers sum up.
        claims: of the paper on the corpus.
        deviations: from the paper, on any corpus.
        notes: on tables of the paper.
        audit: rule -> its result.
    """

    summary: CorpusTables
    claims: Sequence[Claim]
    deviations: Sequence[Deviation]
    notes: Sequence[TableNote]
    audit: Mapping[str, audit.RuleResult]

    @property
    def comparisons(self) -> Sequence[Comparison]:
        """One for each task."""
        return self.summary.comparisons

    @property
    def paper(self) -> str:
        """Key of the paper."""
        return self.comparisons[0].paper

    @property
    def corpus(self) -> str:
        """Name of the corpus."""
        return self.comparisons[0].corpus


def _sections(
    paper: str,
    reported: Path,
    measured: Scores,
    corpora: Sequence[str] | None,
    modalities: Modalities | None,
) -> Iterator[_Section]:
    """A paper on each corpus: printed ones in its order, then others that were measured."""
    printed = load(reported, paper)
    every_claim = load_claims(reported, paper, printed)
    deviations = load_deviations(reported, paper)
    notes = load_notes(reported, paper, printed)
    for corpus in dict.fromkeys([*printed["corpus"].unique(), *measured.corpora_of(paper)]):
        if corpora is not None and corpus not in corpora:
            continue
        ours = measured.of(paper, corpus)
        by_task = comparisons(paper, corpus, printed, ours, modalities)
        claims = [claim for claim in every_claim if corpus in claim.corpora]
        judged = [verdicts.table(comparison, claims) for comparison in by_task]
        summary = CorpusTables(by_task, judged, protocols.gap(by_task), protocols.leakage(by_task))
        findings = audit.examine(corpus, printed, by_task[0], claims)
        yield _Section(summary, claims, deviations, notes, findings)


def _ordered(section: _Section) -> Iterator[Table]:
    """All tables of a section, the most important first."""
    deviations = (deviation_tables.NOTE,) if section.deviations else ()
    for comparison, judged in zip(section.comparisons, section.summary.claims, strict=True):
        for table in noted(paper_tables.tables(comparison), comparison, section.notes):
            yield replace(table, notes=(*table.notes, *deviations))
        yield judged
    yield section.summary.gap
    yield section.summary.leakage
    for comparison in section.comparisons:
        yield from compression.tables(comparison)
    yield audit.section(section.paper, section.corpus, section.audit)
    for comparison in section.comparisons:
        yield from overview.tables(comparison)
        claimed = verdicts.compared(comparison, section.claims)
        deviating = pairs_of(section.deviations, section.corpus)
        yield differences.table(comparison, claimed | deviating)


def _of_all_corpora(sections: Sequence[_Section]) -> Iterator[Table]:
    """Tables of a paper that are not of one corpus.

    Args:
        sections: of the paper.
    """
    for first in sections[:1]:
        every = [comparison for section in sections for comparison in section.comparisons]
        yield deviation_tables.table(first.paper, first.deviations, every)


def _entry(section: _Section, names: Sequence[str]) -> Entry:
    """Entry of a section in the index."""
    judged = zip(section.comparisons, section.summary.claims, strict=True)
    sentences = [line for both in judged for line in verdicts.headlines(*both)]
    for comparison in section.comparisons:
        sentences += headlines(comparison)
    first = section.comparisons[0]
    return Entry(
        paper=section.paper,
        corpus=section.corpus,
        demo=first.demo,
        extra=first.extra,
        headlines=tuple(sentences),
        tables=tuple(names),
    )


class _Files(dict[str, str]):
    """Files of results/tables: relative path -> content."""

    def add(
        self, folder: str, tables: Iterable[Table], missing: Iterable[MissingResult]
    ) -> list[str]:
        """Render tables that have rows, with notes on missing results; return their names."""
        without = tuple(f"Made without {result.message}" for result in missing)
        names = []
        for table in tables:
            if len(table.frame):
                noted = replace(table, notes=(*without, *table.notes))
                for name, text in render(noted).items():
                    self[f"{folder}/{name}"] = text
                names.append(table.name)
        return names

    def fragments(self, folder: str) -> list[str]:
        """HTML of the tables in a folder."""
        return [
            text
            for name, text in self.items()
            if name.startswith(f"{folder}/") and name.endswith(".html")
        ]
