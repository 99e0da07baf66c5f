"""Cross tables: all systems of all papers on all corpora, under their common protocol ``clean``.

Papers may have different tasks on one corpus: other classes, multi-class or multi-label, another
test split. Only systems with the same task stand in one table, sorted by score.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from math import isnan
from typing import Any, NamedTuple

import pandas as pd

from merflow.corpora.labels import CLASSES
from merflow.evaluation.baselines import BASELINES
from merflow.evaluation.metrics import BINARY_METRICS
from merflow.tables.columns import limits_column, measured_cell, ours_column, seeds_column
from merflow.tables.comparison import Comparison
from merflow.tables.measured import Estimate
from merflow.tables.measures import ALL_NEGATIVE, HEADERS, formulas_note
from merflow.tables.render import NOTHING, Column, Table, number, plain, spread, words
from merflow.tables.reported import Row, is_key, linear_systems, systems_of

PROTOCOL = "clean"
METRICS = ("weighted_f1", "accuracy", "uar", "macro_f1")
CAPTION = "Test split, in percent: mean ± standard deviation over seeds."
NO_SCHEME = (
    "the paper prints nothing on the corpus, and params.yaml names no split scheme of it for the"
    " paper (papers.<paper>.protocols)."
)


class ClassTask(NamedTuple):
    """Task of a paper on a corpus; equal tasks have equal test splits.

    Attributes:
        corpus: key.
        n_classes: number of classes.
        multi_label: an utterance may have any number of them.
        test: facts of the test split: its size, by class too, and leakage, so that other folds make
            another split.
    """

    corpus: str
    n_classes: int
    multi_label: bool
    test: tuple[tuple[str, str, float], ...]

    @property
    def words(self) -> str:
        """Number of classes, and how many an utterance has."""
        return f"{'any' if self.multi_label else 'one'} of {self.n_classes} classes"


@dataclass(frozen=True, eq=False)
class TaskColumn:
    """Column of the cross table, and the name of the table of its systems.

    Attributes:
        name: of the table.
        corpus: key.
        words: task, in words.
        comparisons: of the papers with this task; none: nothing was run on the corpus.
    """

    name: str
    corpus: str
    words: str
    comparisons: Sequence[Comparison]

    @property
    def metric(self) -> str:
        """Main metric of the task."""
        return self.comparisons[0].main_metric

    def of_paper(self, paper: str) -> Comparison | None:
        """The comparison of a paper with this task."""
        return next(
            (comparison for comparison in self.comparisons if comparison.paper == paper), None
        )


def task_of(comparison: Comparison) -> ClassTask:
    """Task under `PROTOCOL`, which the comparison has."""
    measured, facts = comparison.measured, comparison.measured.scores.corpora
    on_test = facts[(facts["protocol"] == PROTOCOL) & (facts["split"] == "test")]
    columns = ["fact", "class", "value"]
    rows = on_test.fillna({"class": ""})[columns].sort_values(["fact", "class"])
    test = tuple(rows.itertuples(index=False, name=None))
    return ClassTask(comparison.corpus, measured.n_classes, measured.multi_label, test)


def tables(comparisons: Sequence[Comparison]) -> Iterator[Table]:
    """The cross table, then a table for each task.

    Args:
        comparisons: of all papers on all corpora.
    """
    columns = _task_columns(comparisons)
    if any(column.comparisons for column in columns):
        yield _matrix(comparisons, columns)
    for column in columns:
        if column.comparisons:
            yield _ranking(column, _on(column.corpus, comparisons))


def _on(corpus: str, comparisons: Sequence[Comparison]) -> list[Comparison]:
    return [comparison for comparison in comparisons if comparison.corpus == corpus]


def _task_columns(comparisons: Sequence[Comparison]) -> list[TaskColumn]:
    """A column for each task; custom corpora come last."""
    by_task: dict[ClassTask, list[Comparison]] = {}
    for comparison in comparisons:
        if PROTOCOL in comparison.measured.protocols:
            by_task.setdefault(task_of(comparison), []).append(comparison)
    corpora = {comparison.corpus for comparison in comparisons}
    columns = []
    for corpus in (*filter(corpora.__contains__, CLASSES), *sorted(corpora - set(CLASSES))):
        tasks = sorted(task for task in by_task if task.corpus == corpus)
        for place, task in enumerate(tasks, 1):
            name = f"cross-{corpus}" + (f"-{place}" if len(tasks) > 1 else "")
            columns.append(TaskColumn(name, corpus, task.words, by_task[task]))
        if not tasks:
            columns.append(TaskColumn(f"cross-{corpus}", corpus, "nothing run", []))
    return columns


def _systems(comparisons: Sequence[Comparison]) -> list[str]:
    """Systems of a paper: printed, run, or with parameters, in its order."""
    ranked = [
        sorted(
            {*filter(is_key, comparison.printed.systems), *comparison.measured.systems}
            - set(BASELINES),
            key=comparison.rank,
        )
        for comparison in comparisons
    ]
    with_params = systems_of(comparisons[0].paper)
    return list(dict.fromkeys([*chain.from_iterable(ranked), *with_params]))


def _reason(comparisons: Sequence[Comparison], system: str) -> str:
    """Reason why a system has no score under `PROTOCOL`.

    Args:
        comparisons: of its paper on one corpus.
        system: key.
    """
    if any(system in comparison.measured.systems for comparison in comparisons):
        protocols = (
            plain(protocol)
            for comparison in comparisons
            for protocol in comparison.measured.protocols
            if protocol != PROTOCOL
        )
        return f"not run under {PROTOCOL}, but {', '.join(protocols)}"
    return comparisons[0].absence.reason(system)


def _matrix(comparisons: Sequence[Comparison], columns: Sequence[TaskColumn]) -> Table:
    """The cross table: systems down, tasks across."""
    rows = _matrix_rows(comparisons, columns)
    reasons: dict[str, int] = {}
    for row in rows:
        for column in columns:
            if why := row[f"{column.name}_why"]:
                reasons.setdefault(why, len(reasons) + 1)
    demo = sorted({comparison.corpus for comparison in comparisons if comparison.demo})
    warning = (
        f"Demo: figures under {', '.join(demo)} are on synthetic corpora in their layout, no"
        " results on them."
    )
    notes = [
        *([warning] if demo else []),
        "Only figures of one column have the same task; the tables below have their intervals, and"
        " the number of utterances scored.",
        f"{NOTHING}: {NO_SCHEME}",
        *(f"({k}) {why}." for why, k in reasons.items()),
    ]
    columns_shown = (
        words("system", "system"),
        words("paper", "paper"),
        *(_matrix_column(column, reasons) for column in columns),
    )
    title = f"All systems of all papers, {PROTOCOL}{', demo corpora' if demo else ''}."
    frame = pd.DataFrame([*rows, _majority(columns)])
    anchor = "overall-cross"
    return Table(
        "cross", title, CAPTION, frame, columns_shown, tuple(notes), bool(demo), anchor=anchor
    )


def _matrix_rows(
    comparisons: Sequence[Comparison], columns: Sequence[TaskColumn]
) -> list[dict[str, Any]]:
    rows = []
    for paper in dict.fromkeys(comparison.paper for comparison in comparisons):
        of_paper = [comparison for comparison in comparisons if comparison.paper == paper]
        for system in _systems(of_paper):
            row: dict[str, Any] = {"paper": paper, "system": system, "kind": "absent"}
            for column in columns:
                on_corpus = _on(column.corpus, of_paper)
                mean, why = _matrix_cell(column, columns, paper, system, on_corpus)
                row |= measured_cell(column.name, mean) | {f"{column.name}_why": why}
                if mean:
                    row["kind"] = "linear" if system in linear_systems(paper) else "system"
            rows.append(row)
    return rows


def _matrix_cell(
    column: TaskColumn,
    columns: Sequence[TaskColumn],
    paper: str,
    system: str,
    on_corpus: Sequence[Comparison],
) -> tuple[Estimate | None, str]:
    """Score of a system in a column, or the reason why there is none.

    Neither: the paper has another task.
    """
    comparison = column.of_paper(paper)
    if comparison:
        mean = comparison.measured.mean(system, PROTOCOL, comparison.main_metric)
        return (mean, "") if mean else (None, _reason(on_corpus, system))
    same_corpus = (other for other in columns if other.corpus == column.corpus)
    in_another_column = any(other.of_paper(paper) for other in same_corpus)
    if on_corpus and not in_another_column:
        return None, _reason(on_corpus, system)
    return None, ""


def _majority(columns: Sequence[TaskColumn]) -> dict[str, Any]:
    row: dict[str, Any] = {"paper": "", "system": "majority", "kind": "baseline"}
    row |= {f"{column.name}_why": "" for column in columns}
    for column in columns:
        mean = None
        if column.comparisons:
            mean = column.comparisons[0].measured.mean("majority", PROTOCOL, column.metric)
        row |= measured_cell(column.name, mean)
    return row


def _matrix_column(column: TaskColumn, reasons: Mapping[str, int]) -> Column:
    def cell(row: Row) -> str:
        if pd.notna(row[column.name]):
            return spread(row[column.name], row[f"{column.name}_std"])
        why = row[f"{column.name}_why"]
        return f"not run ({reasons[why]})" if why else NOTHING

    header = f"{column.words}, {HEADERS[column.metric]}" if column.comparisons else column.words
    return Column(header, cell, column.corpus)


def _ranking(column: TaskColumn, on_corpus: Sequence[Comparison]) -> Table:
    """Systems, linear classifiers and trivial baselines of a task, the best first."""
    first, main = column.comparisons[0], column.metric
    multi_label = first.measured.multi_label
    metrics = list(dict.fromkeys([main, *(BINARY_METRICS if multi_label else METRICS)]))
    rows = [
        _row(comparison, name, metrics)
        for comparison in column.comparisons
        for name in comparison.measured.systems
        if comparison.measured.mean(name, PROTOCOL, main)
    ]
    rows += [
        _row(first, name, metrics) | {"paper": ""}
        for name in BASELINES
        if first.measured.mean(name, PROTOCOL, main)
    ]
    rows.sort(key=lambda row: -row[main])
    figures = [key for metric in metrics for key in measured_cell(metric, None)]
    names = ["paper", "system", "label", "kind", *figures, "seeds", "n", "source", "inputs"]
    frame = pd.DataFrame(rows, columns=names)
    whole = max(row["n"] for row in rows)
    notes = [*_ranking_notes(first, metrics), *_absent_notes(column, on_corpus)]
    return Table(
        column.name,
        f"All systems, {PROTOCOL}, {column.words}, {first.where}.",
        CAPTION,
        frame,
        tuple(_ranking_columns(first, metrics, whole)),
        tuple(notes),
        first.demo,
        anchor=f"overall-{column.name}",
    )


def _ranking_columns(first: Comparison, metrics: Sequence[str], whole: int) -> list[Column]:
    return [
        words("system", "label"),
        words("paper", "paper"),
        ours_column(HEADERS[metrics[0]], metrics[0], ""),
        limits_column(first, metrics[0], ""),
        *(ours_column(HEADERS[metric], metric, "") for metric in metrics[1:]),
        seeds_column("seeds"),
        number("n", "n", partial(_of, whole=whole)),
        words("source", "source"),
        words("inputs", "inputs"),
    ]


def _ranking_notes(first: Comparison, metrics: Sequence[str]) -> Iterator[str]:
    yield from first.demo_notes
    main = HEADERS[metrics[0]]
    yield f"Sorted by {main}; [ ]: bootstrap interval of its mean over dialogues."
    yield (
        "n: utterances scored. A system leaves out utterances that lack an input: where n differs,"
        " a small difference does not rank systems."
    )
    yield (
        "Systems of one paper are compared on common utterances in its table of differences;"
        " between papers, by their intervals."
    )
    yield formulas_note(metrics, first.measured.multi_label)
    if first.measured.multi_label:
        yield ALL_NEGATIVE


def _absent_notes(column: TaskColumn, on_corpus: Sequence[Comparison]) -> Iterator[str]:
    """Systems of each paper of a task that have no score, by the reason."""
    for comparison in column.comparisons:
        of_paper = [other for other in on_corpus if other.paper == comparison.paper]
        by_reason: dict[str, list[str]] = {}
        for name in _systems([comparison]):
            if not comparison.measured.mean(name, PROTOCOL, comparison.main_metric):
                by_reason.setdefault(_reason(of_paper, name), []).append(name)
        for reason, names in by_reason.items():
            yield f"{comparison.paper}: {', '.join(names)}: {reason}."


def _row(comparison: Comparison, system: str, metrics: Sequence[str]) -> dict[str, Any]:
    measured, about = comparison.measured, comparison.about(system, [], "test", [PROTOCOL])
    row = {
        "paper": comparison.paper,
        "system": system,
        "label": about["label"],
        "kind": about["kind"],
        "seeds": measured.n_seeds(system, PROTOCOL, "test"),
        "n": int(about["n"]),
        "source": about["source"],
        "inputs": about["inputs"],
    }
    for metric in metrics:
        row |= measured_cell(metric, measured.mean(system, PROTOCOL, metric))
    return row


def _of(n: float, whole: float) -> str:
    if isnan(n):
        return ""
    return f"{n:.0f}" if n == whole else f"{n:.0f} of {whole:.0f}"
