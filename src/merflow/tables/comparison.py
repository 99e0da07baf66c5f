"""A paper's printed numbers beside our scores on one corpus."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from merflow.corpora.labels import CLASSES
from merflow.evaluation.baselines import BASELINES
from merflow.evaluation.metrics import BINARY_METRICS
from merflow.evaluation.scored import Scores
from merflow.tables.absence import Absence, Modalities
from merflow.tables.measured import Measured
from merflow.tables.printed import Printed
from merflow.tables.render import Column, Table, plain
from merflow.tables.reported import MISSING, Row, is_key, linear_systems, remarks_of

#: Ending of the name of a system of ours: the same system without the paper's class weights.
UNWEIGHTED = "_unweighted"


@dataclass(frozen=True, eq=False)
class Comparison:
    """A paper on one corpus, under protocols with the same task.

    Attributes:
        printed: numbers of the paper.
        measured: our scores.
        absence: why a system has no scores.
        mismatch: how our task differs from the paper's, which forbids comparison; empty: it does
            not.
        suffix: ending of table names where the corpus has a comparison for each of several tasks.
    """

    printed: Printed
    measured: Measured
    absence: Absence
    mismatch: str = ""
    suffix: str = ""

    @property
    def paper(self) -> str:
        """Key of the paper."""
        return self.printed.paper

    @property
    def corpus(self) -> str:
        """Name of the corpus."""
        return self.printed.corpus

    @property
    def extra(self) -> bool:
        """The paper prints nothing on the corpus."""
        return self.printed.extra

    @property
    def demo(self) -> bool:
        """Our scores are of a demo corpus."""
        return self.measured.demo

    @property
    def comparable(self) -> bool:
        """Our scores may be compared with printed ones."""
        return not self.demo and not self.mismatch

    @property
    def metrics(self) -> Sequence[str]:
        """Overall metrics of tables of all systems: printed ones where nothing was run."""
        multi_label = self.measured.multi_label and self.measured.protocols
        return tuple(BINARY_METRICS) if multi_label else self.printed.main_metrics

    @property
    def main_metric(self) -> str:
        """Metric of differences and headlines."""
        return "uar" if self.measured.multi_label else "weighted_f1"

    @property
    def interval(self) -> str:
        """Header of intervals."""
        return f"{100 * self.measured.confidence:g} % interval"

    @property
    def where(self) -> str:
        """The corpus and its origin, for titles."""
        if self.demo:
            return f"demo corpus in the layout of {self.corpus}"
        return f"{self.corpus} ({self.measured.source})"

    @property
    def demo_notes(self) -> list[str]:
        """Warning that stands before other notes on scores of a demo corpus."""
        warning = (
            f"Demo: ours are figures on a synthetic corpus in the layout of {self.corpus}, no"
            f" results on {self.corpus}."
        )
        return [warning] if self.demo else []

    def kind(self, system: str) -> str:
        """Baseline, system or linear (ours, with scores), absent (ours, without) or cited."""
        if system in BASELINES:
            return "baseline"
        if system in self.measured.systems:
            return "linear" if system in linear_systems(self.paper) else "system"
        return "absent" if is_key(system) else "cited"

    def unprinted(self, split: str, printed: Iterable[Row]) -> list[str]:
        """Our systems with scores that are not in the rows `printed`, then baselines.

        Linear classifiers stand between them.
        """
        names = {row["system"] for row in printed}
        ours = (name for name in self.measured.systems if name not in names)
        systems = [*sorted(ours, key=self._is_linear), *BASELINES]
        protocols = self.measured.protocols
        return [name for name in systems if self.measured.scored(name, split, protocols)]

    def rank(self, system: str) -> int:
        """Place of a system in tables: the paper's order, variants after their system.

        A system without class weights comes right before the same system with them.
        """
        return self._ranks[system]

    @cached_property
    def _ranks(self) -> dict[str, int]:
        return {
            name: 2 * place + k
            for place, system in enumerate(self._order)
            for k, name in enumerate((f"{system}{UNWEIGHTED}", system))
        }

    @cached_property
    def _order(self) -> list[str]:
        """Printed systems, each with its variants, then other ones of ours, then baselines.

        Linear classifiers come last of ours.
        """
        weighted = dict.fromkeys(name.removesuffix(UNWEIGHTED) for name in self.measured.systems)
        ours = [name for name in weighted if name not in self.printed.systems]
        base_of = {name: self.printed.variant_of(name) for name in ours}
        order = []
        for system in self.printed.systems:
            order += [system, *(name for name in ours if base_of[name] == system)]
        unprinted = sorted((name for name in ours if base_of[name] is None), key=self._is_linear)
        return [*order, *unprinted, *BASELINES]

    def linear_of_all(self, system: str) -> set[str]:
        """Linear classifiers that have the inputs of `system` under some protocol."""
        of_protocols = (self.linear_of(system, protocol) for protocol in self.measured.protocols)
        return {name for name in of_protocols if name}

    @cached_property
    def has_linear(self) -> bool:
        """A linear classifier has scores."""
        return any(map(self._is_linear, self.measured.systems))

    def _is_linear(self, system: str) -> bool:
        return system in linear_systems(self.paper)

    def linear_of(self, system: str, protocol: str) -> str | None:
        """Linear classifier that has the inputs of `system`; None: there is none.

        Those of class_weight_lstm have class weights, so its systems without have none.
        """
        inputs = self._inputs(system, protocol)
        if not inputs or self.kind(system) != "system" or system.endswith(UNWEIGHTED):
            return None
        ran = filter(self._is_linear, self.measured.systems)
        return next((name for name in ran if self._inputs(name, protocol) == inputs), None)

    def _inputs(self, system: str, protocol: str) -> set[str]:
        """Features of a system under a protocol."""
        scored = self.measured.scored(system, "test", [protocol])
        names = [row["inputs"] for row in scored if isinstance(row["inputs"], str)]
        return {feature for name in names for feature in name.split(", ")} - {""}

    def about(
        self, system: str, lines: Sequence[Row], split: str, protocols: Collection[str]
    ) -> dict[str, Any]:
        """Columns of a row besides figures: label, system, kind, printed, n, source, inputs, note.

        Args:
            system: key or printed name.
            lines: printed cells of the row.
            split, protocols: of our scores in the row. Where protocols score different utterances,
                n has several numbers.
        """
        scored, kind = self.measured.scored(system, split, protocols), self.kind(system)
        remarks = [remark for row in lines for remark in remarks_of(row["note"])]
        reasons = [self.absence.reason(system)] if kind == "absent" else []
        # A cell says itself that its value is not in the source.
        notes = [*reasons, *(remark for remark in remarks if remark != MISSING)]
        labels = {row["row"] for row in lines if row["table"] not in self.printed.side_by_side}
        inputs = _joined({row["inputs"] for row in scored if isinstance(row["inputs"], str)})
        linear = f"linear classifier on {inputs}" if inputs else system
        return {
            "label": linear if kind == "linear" else _label(system, labels),
            "system": system,
            "kind": kind,
            "printed": len(lines) > 0,
            "n": _joined({row["n"] for row in scored}),
            "source": _joined({row["source"] for row in scored}),
            "inputs": inputs,
            "note": "; ".join(dict.fromkeys(notes)),
        }

    def table(
        self,
        name: str,
        title: str,
        caption: str,
        frame: pd.DataFrame,
        columns: Sequence[Column],
        notes: Sequence[str] = (),
        folded: bool = False,
        all_protocols: bool = False,
    ) -> Table:
        """A table that names the corpus and its origin.

        Args:
            name, title, caption, frame, columns, notes, folded: of the table.
            all_protocols: about all protocols of the corpus and nothing printed, so that task and
                suffix do not matter.
        """
        where, warnings = self.where, self.demo_notes
        if self.extra:
            warnings.append(f"Corpus not in the paper: it prints no figure on {self.corpus}.")
        if self.mismatch and not all_protocols:
            where += f", {self.mismatch}"
            warnings.append(
                "Ours have another task than the paper: no comparison with its figures."
            )
        if self.suffix and not all_protocols and not name.endswith(self.suffix):
            name, title = f"{name}{self.suffix}", f"{title}, {plain(self.suffix[1:])}"
        return Table(
            f"{self.corpus}-{name}",
            f"{title}, {where}.",
            caption,
            frame,
            tuple(columns),
            (*warnings, *notes),
            self.demo,
            folded,
            f"{self.paper}-{self.corpus}-{name}",
            self.paper,
            self.corpus,
        )


def comparisons(
    paper: str,
    corpus: str,
    reported: pd.DataFrame,
    scores: Scores,
    modalities: Modalities | None = None,
) -> list[Comparison]:
    """A comparison for each task of a paper's protocols on a corpus, mostly one.

    With several tasks, the paper's is the first: the task of as_published.

    Args:
        paper, corpus: keys.
        reported: all printed numbers of the paper (merflow.tables.reported.load).
        scores: rows of the paper on the corpus.
        modalities: modalities that systems of all papers need; None: unknown.
    """
    printed = Printed.of(paper, corpus, reported)
    groups = Measured.by_task(corpus, scores)
    by_task = []
    for place, measured in enumerate(groups):
        of_paper = (modalities or {}).get(paper, {})
        absence = Absence(paper, corpus, scores.missing, of_paper, measured.has_no_clips)
        suffix = f"-{'-'.join(measured.protocols)}" if len(groups) > 1 else ""
        mismatch = _mismatch(printed, measured, first=place == 0)
        by_task.append(Comparison(printed, measured, absence, mismatch, suffix))
    return by_task


def _mismatch(printed: Printed, measured: Measured, first: bool) -> str:
    """Words on how our task differs from the paper's; empty: it does not.

    Args:
        printed, measured: of the same paper and corpus.
        first: the scores are of the first of several tasks, or of the only one.
    """
    corpus, n_classes = printed.corpus, measured.n_classes
    # A custom corpus has the classes of its annotations.
    expected = printed.n_classes or (len(CLASSES[corpus]) if corpus in CLASSES else n_classes)
    if measured.protocols and n_classes != expected:
        return f"{n_classes} classes instead of {expected}"
    if first:
        return ""
    if measured.multi_label:
        return "multi-label instead of multi-class"
    return "multi-class instead of multi-label"


def _joined(values: set[Any]) -> str:
    return "/".join(map(str, sorted(values)))


def _label(system: str, rows: set[str]) -> str:
    """The row as printed, and the system where the row does not name it."""
    printed = next(iter(rows)) if len(rows) == 1 else system
    return printed if system in printed else f"{printed} ({system})"
