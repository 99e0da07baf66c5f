"""Printed numbers of a paper on one corpus, as tables ask for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Self

import pandas as pd

from merflow.evaluation.metrics import CLASS_METRICS
from merflow.tables.measures import USUAL, split_of
from merflow.tables.reported import PER_CLASS, SCORES, Row, beside, grouped


@dataclass(frozen=True)
class Printed:
    """Numbers that the tables of a paper print on a corpus.

    Attributes:
        paper, corpus: keys.
        lines: rows of merflow.tables.reported, in the paper's order.
        text: scores that the text states, of a class or a pair too.
        main_metrics: overall metrics that at least half of the paper's tables of test scores
            print, in its order. Tables on the corpus count, or all if there are none. Then the
            usual ones that they may be taken for, and weighted F1.
        n_classes: number of classes in the paper's tables of test scores on the corpus. Without
            such a table it is the number that the text states; None: it states none.
        extra: the paper prints nothing on the corpus.
    """

    paper: str
    corpus: str
    lines: tuple[Row, ...]
    text: tuple[Row, ...]
    main_metrics: tuple[str, ...]
    n_classes: int | None
    extra: bool

    @classmethod
    def of(cls, paper: str, corpus: str, reported: pd.DataFrame) -> Self:
        """Choose the numbers on a corpus among all of a paper (merflow.tables.reported.load)."""
        of_tables = reported[reported["table"] != "text"].to_dict("records")
        on_corpus = reported[reported["corpus"] == corpus]
        of_text = on_corpus[on_corpus["table"] == "text"].to_dict("records")
        lines = tuple(row for row in of_tables if row["corpus"] == corpus)
        return cls(
            paper,
            corpus,
            lines=lines,
            text=tuple(row for row in of_text if row["metric"] in SCORES | PER_CLASS),
            main_metrics=_main_metrics(of_tables, corpus),
            n_classes=_n_classes(on_corpus, lines),
            extra=on_corpus.empty,
        )

    @cached_property
    def scores(self) -> list[Row]:
        """Lines with a score."""
        return [row for row in self.lines if row["metric"] in SCORES | PER_CLASS]

    @cached_property
    def systems(self) -> list[str]:
        """Systems with a score, cited ones too, in the paper's order."""
        return list(dict.fromkeys(row["system"] for row in self.scores))

    @cached_property
    def side_by_side(self) -> set[str]:
        """Tables in which systems stand side by side, and measures below each other."""
        rows = grouped(self.scores, "table", "row")
        return {
            table
            for (table, _), cells in rows.items()
            if len({cell["system"] for cell in cells}) > 1
        }

    def cell(self, system: str, metric: str, name: str = "") -> Row | None:
        """First line with a score on its split; None: not printed.

        Args:
            system: key or printed name.
            metric: of all classes, or of the class or pair of classes `name`.
        """
        return self._cells.get((system, metric, name))

    @cached_property
    def _cells(self) -> dict[tuple[str, str, str], Row]:
        decisive = (row for row in self.lines if row["split"] == split_of(row["metric"]))
        return {
            key: rows[0] for key, rows in grouped(decisive, "system", "metric", "class").items()
        }

    def beside(self, system: str, metric: str, name: str = "") -> Row | None:
        """`cell`, or else the number of a system in the same column of print.

        Its measure is then another one. None: not printed.
        """
        on_split = (row for row in self.scores if row["split"] == split_of(row["metric"]))
        return self.cell(system, metric, name) or beside(on_split, system, metric, name)

    def variant_of(self, system: str) -> str | None:
        """Printed system whose name a longer name begins with: video_clip of video_clip_max."""
        bases = (name for name in self.systems if system.startswith(f"{name}_"))
        return max(bases, key=len, default=None)


def _n_classes(on_corpus: pd.DataFrame, lines: Sequence[Row]) -> int | None:
    scored = {
        row["class"]
        for row in lines
        if row["class"] and row["split"] == "test" and row["metric"] in SCORES | {*CLASS_METRICS}
    }
    stated = on_corpus.loc[on_corpus["metric"] == "classes", "number"]
    return len(scored) or (int(stated.iloc[0]) if len(stated) else None)


def _main_metrics(of_tables: Sequence[Row], corpus: str) -> tuple[str, ...]:
    on_test = [row for row in of_tables if row["split"] == "test" and row["metric"] in SCORES]
    on_corpus = [row for row in on_test if row["corpus"] == corpus]
    tables = {
        metric: {row["table"] for row in rows}
        for (metric,), rows in grouped(on_corpus or on_test, "metric").items()
    }
    n_tables = len(set().union(*tables.values()))
    most = [metric for metric, of_metric in tables.items() if 2 * len(of_metric) >= n_tables]
    usual = chain.from_iterable(USUAL.get(metric, ()) for metric in most)
    return tuple(dict.fromkeys([*most, *usual, "weighted_f1"]))
