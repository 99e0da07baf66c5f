"""Folder results/scores: four tables and how they were made, written and read in one place."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pandas as pd
import pyarrow as pa

from merflow import artifacts
from merflow.documents import Document, read_document
from merflow.params import EvaluationParams
from merflow.paths import RESULT, SCORES_INFO, names
from merflow.store import read_table, write_json, write_table

TABLES: dict[str, pa.Schema] = {
    "scores": artifacts.SCORES,
    "differences": artifacts.DIFFERENCES,
    "gaps": artifacts.GAPS,
    "corpora": artifacts.CORPORA,
}


class MissingResult(Document):
    """A result that params.yaml expects and that is absent or was refused.

    Attributes:
        paper, system, corpus, protocol: names.
        message: what is wrong with it, in one line that begins with its path.
    """

    paper: str
    system: str
    corpus: str
    protocol: str
    message: str

    @property
    def name(self) -> str:
        """Path of the result below the project's folder."""
        return RESULT.format(**self.model_dump(exclude={"message"}))

    @classmethod
    def named(cls, name: str, message: str) -> Self:
        """A missing result by its path (merflow.paths.RESULT)."""
        return cls(message=message, **(names(RESULT, name) or {}))


class _Info(Document):
    evaluation: EvaluationParams
    missing: tuple[MissingResult, ...]


@dataclass(frozen=True)
class Scores:
    """All tables of the step ``score``.

    Attributes:
        scores: rows of artifacts.SCORES: systems and trivial baselines.
        differences: rows of artifacts.DIFFERENCES: pairs of systems.
        gaps: rows of artifacts.GAPS: systems under two protocols.
        corpora: rows of artifacts.CORPORA: facts of corpora.
        evaluation: parameters of the intervals.
        missing: expected results that were not scored.
    """

    scores: pd.DataFrame
    differences: pd.DataFrame
    gaps: pd.DataFrame
    corpora: pd.DataFrame
    evaluation: EvaluationParams
    missing: tuple[MissingResult, ...] = ()

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Tables by name."""
        return {name: getattr(self, name) for name in TABLES}

    def of(self, paper: str, corpus: str) -> Self:
        """Rows of a paper on a corpus, with Python's strings for fast access."""
        rows = {}
        for name, table in self.tables.items():
            texts = [field.name for field in TABLES[name] if pa.types.is_string(field.type)]
            chosen = table[(table["paper"] == paper) & (table["corpus"] == corpus)]
            rows[name] = chosen.astype(dict.fromkeys(texts, object))
        missing = tuple(
            result for result in self.missing if (result.paper, result.corpus) == (paper, corpus)
        )
        return type(self)(**rows, evaluation=self.evaluation, missing=missing)

    def corpora_of(self, paper: str) -> list[str]:
        """Corpora on which a paper has scores."""
        return self.scores.loc[self.scores["paper"] == paper, "corpus"].unique().tolist()

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read results/scores.

        Raises:
            StoreError: a file is absent or of another format.
        """
        path = folder / SCORES_INFO
        advice = f"delete {folder} and build it anew with `snakemake --cores 2 -- {path}`"
        info = read_document(path, _Info, advice)
        tables = {
            name: read_table(folder / f"{name}.parquet", schema) for name, schema in TABLES.items()
        }
        return cls(**tables, evaluation=info.evaluation, missing=info.missing)

    def write(self, folder: Path) -> None:
        """Write results/scores, the marker last.

        Raises:
            StoreError: a table does not fit its schema, or the folder cannot be written.
        """
        (folder / SCORES_INFO).unlink(missing_ok=True)
        for name, schema in TABLES.items():
            write_table(folder / f"{name}.parquet", self.tables[name], schema)
        info = _Info(evaluation=self.evaluation, missing=self.missing)
        write_json(folder / SCORES_INFO, info.model_dump(mode="json"))
