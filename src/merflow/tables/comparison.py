"""A paper's printed numbers and ours on one corpus: what the tables ask."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from functools import cached_property
from typing import Any, NamedTuple

import pandas as pd

from merflow.corpora.labels import CLASSES, MULTI_LABEL
from merflow.evaluation.baselines import BASELINES
from merflow.evaluation.metrics import ALONE, BINARY_METRICS, CLIPS, CORPUS, LOSS, METRICS, VERSUS
from merflow.tables.render import Column, Table, plain
from merflow.tables.reported import MISSING, PER_CLASS, SCORES, Row, grouped, is_key, remarks_of

PROTOCOLS = ("as_published", "clean")
HEADERS = {
    "accuracy": "accuracy",
    "uar": "UAR",
    "balanced_accuracy": "balanced accuracy",
    "weighted_f1": "weighted F1",
    "weighted_precision": "weighted precision",
    "weighted_recall": "weighted recall",
    "macro_f1": "macro F1",
    "macro_precision": "macro precision",
    "positive_f1": "F1 of present",
}
#: What each measure is, of P utterances of a class and N others, n in all; F1 = 2 TP / (2 TP + FP + FN).
FORMULAS = {
    "accuracy": "sum of TP / n",
    "uar": "mean of TP / P over the classes",
    "balanced_accuracy": "mean of (TP / P + TN / N) / 2, that is (TP x N/P + TN) / 2N, over the classes, each against the rest",
    "weighted_f1": "sum of P / n x F1 over the classes",
    "weighted_precision": "sum of P / n x TP / (TP + FP) over the classes",
    "weighted_recall": "sum of P / n x TP / P over the classes, which is the accuracy",
    "macro_f1": "mean of F1 over the classes",
    "macro_precision": "mean of TP / (TP + FP) over the classes",
}
#: The same where several classes may be present at once: of one of them, present or absent.
BINARY_FORMULAS = {
    "accuracy": "(TP + TN) / n",
    "uar": "(TP / P + TN / N) / 2, that is (TP x N/P + TN) / 2N",
    "weighted_f1": "P / n x F1 of present + N / n x F1 of absent",
    "positive_f1": "2 TP / (2 TP + FP + FN)",
}
#: Ending of a system's name: ours, the same system without the class weights of the paper.
UNWEIGHTED = "_unweighted"
#: Of the baseline all_negative.
NEGATIVE = "All-negative: no emotion is ever predicted; where they are rare, its accuracy and weighted F1 are high, UAR 50, F1 of present 0."
#: Columns of scores.parquet that a figure consists of, by the ending that they get in the CSV of a table.
FIGURE = {"": "value", "_std": "std", "_low": "low", "_high": "high"}
NAN = float("nan")
#: Columns of scores.parquet that say what a mean is of, and those that name a run.
ABOUT = ["system", "split", "protocol", "n", "source", "inputs"]
RUN = ["system", "protocol", "split", "seed"]


def part_of(metric: str) -> str:
    """The part of the corpus on which scores are compared: test, and dev of a loss, which papers print of no other."""
    return "dev" if metric == LOSS else "test"


def name_of(metric: str, split: str) -> str:
    """A metric in words."""
    return f"loss on {split}" if metric == LOSS else HEADERS.get(metric, plain(metric))


class Tested(NamedTuple):
    """McNemar's exact test of two runs with one seed: p, and how many utterances each of the two alone got right."""

    p: float
    first_alone: int
    second_alone: int


class Comparison:
    """One paper on one corpus.

    Args:
        paper: key of the paper.
        corpus: name of the corpus.
        printed: rows of merflow.tables.reported for the paper.
        ours: rows of results/scores.parquet for the paper and the corpus, of protocols that ask the same of a system (see `views`).
        confidence: of the intervals in `ours`.
        suffix, another: the corpus has other views, and it is they that ask what the paper asks.
        missing: results of the paper on the corpus that are absent or were refused: system -> a line for each protocol.

    Attributes:
        lines: what tables of the paper print on the corpus.
        printed: the scores among it.
        extra: the corpus is not in the paper.
        parts: ours of the corpus itself; train, dev and test.
        means: ours over all seeds, baselines included; test and dev, and of what was trained train.
        differences: ours of pairs of systems, over all seeds.
        runs: ours of single seeds.
        systems: systems of ours with scores.
        protocols: those of `means`, in the order of the paper.
        multi_label: several classes may be present at once: each is scored by itself, and all by the mean over them.
        metrics: what at least half of the paper's tables of test scores print, in its order, and weighted F1; of several classes at
            once all that there are.
        main: the one that differences and headlines are about.
        across: tables of the paper in which systems stand side by side, and what is scored below each other.
        demo: ours are figures from a demo corpus, which is never compared with printed ones.
        told: how many classes the paper tells apart on the corpus: the first that it says of ``classes`` there, or all of them.
        unlike: in which way ours answer another question than the paper, which forbids comparison with printed figures too; empty: none.
        suffix: ending of the names of tables, where the corpus has other views too.
    """

    def __init__(
        self,
        paper: str,
        corpus: str,
        printed: pd.DataFrame,
        ours: pd.DataFrame,
        confidence: float,
        suffix: str = "",
        another: bool = False,
        missing: Mapping[str, str] = {},
    ) -> None:
        self.confidence, self.interval = confidence, f"{100 * confidence:g} % interval"
        self.paper, self.corpus, self.missing = paper, corpus, missing
        every: list[Row] = [row for row in printed.to_dict("records") if row["table"] != "text"]
        scores = [row for row in every if row["metric"] in SCORES or row["metric"] in PER_CLASS]
        self.lines, self.printed = (
            [row for row in rows if row["corpus"] == corpus] for rows in (every, scores)
        )
        rows_of = grouped(self.printed, "table", "row")
        self.across = {
            table
            for (table, _), rows in rows_of.items()
            if len({row["system"] for row in rows}) > 1
        }
        self.extra = corpus not in set(printed["corpus"])
        pair = ours["system"].str.contains(VERSUS, regex=False)
        self.runs = ours[ours["seed"].notna() & ~pair].astype({"seed": "int64"})
        self.parts, self.differences = (
            ours[ours["system"] == CORPUS],
            ours[pair & ours["seed"].isna()],
        )
        self.means = ours[ours["seed"].isna() & ~pair & (ours["system"] != CORPUS)]
        self._scored = grouped(
            self.means[ABOUT].drop_duplicates().to_dict("records"), "system", "split"
        )
        self._seeds = Counter(
            self.runs[RUN].drop_duplicates()[RUN[:3]].itertuples(index=False, name=None)
        )
        self.systems = [
            name for name in dict.fromkeys(self.means["system"]) if name not in BASELINES
        ]
        found = set(ours["protocol"])
        self.protocols = [
            *(name for name in PROTOCOLS if name in found),
            *sorted(found - set(PROTOCOLS)),
        ]
        self.multi_label = _several(ours) if len(ours) else corpus in MULTI_LABEL
        usual = _usual(
            [row for row in scores if row["split"] == "test" and row["metric"] in SCORES]
        )
        self.metrics = list(BINARY_METRICS) if self.multi_label else usual
        self.main = "uar" if self.multi_label else "weighted_f1"
        self.source = "/".join(sorted(set(ours["source"]))) or "not run"
        self.demo = "demo" in set(ours["source"])
        self.suffix = suffix
        told = printed.loc[
            (printed["corpus"] == corpus) & (printed["metric"] == "classes"), "number"
        ]
        known = (
            len(CLASSES[corpus]) if corpus in CLASSES else ours["classes"].iloc[0]
        )  # of one's own: those of its annotations
        self.told = int(told.iloc[0] if len(told) else known)
        self.unlike = ""
        if others := [count for count in ours["classes"].tolist() if count != self.told]:
            self.unlike = f"{others[0]} classes instead of {self.told}"
        elif another:
            self.unlike = (
                "any number of classes at once instead of one"
                if self.multi_label
                else "one class instead of any number at once"
            )
        decisive = grouped(
            (row for row in self.lines if row["split"] == part_of(row["metric"])),
            "system",
            "metric",
            "class",
        )
        self._cells = {key: rows[0] for key, rows in decisive.items()}
        figures = [*FIGURE.values(), "p"]
        means = ours[ours["seed"].isna()].fillna({"class": ""})
        keys = zip(
            *(means[name].tolist() for name in ("system", "split", "protocol", "metric", "class")),
            strict=True,
        )
        self._figures = dict(zip(keys, means[figures].to_dict("records"), strict=True))
        seeds = ours.loc[
            pair & ours["seed"].notna(), ["system", "protocol", "seed", "metric", "value", "p"]
        ]
        self._tests: dict[tuple[str, str], list[Tested]] = {}
        for (system, protocol, _), rows in grouped(
            seeds.to_dict("records"), "system", "protocol", "seed"
        ).items():
            of = {row["metric"]: row for row in rows}
            tested = Tested(of["accuracy"]["p"], *(int(of[name]["value"]) for name in ALONE))
            self._tests.setdefault((system, protocol), []).append(tested)

    def of_all(self) -> "Comparison":
        """The same for tables about all protocols: their names have no ending, and nothing in them is set against the paper."""
        whole = copy(self)
        whole.suffix = whole.unlike = ""
        return whole

    @property
    def comparable(self) -> bool:
        """Whether ours may stand against printed figures."""
        return not self.demo and not self.unlike

    def mean(
        self, system: str, protocol: str, metric: str, name: str = "", split: str | None = None
    ) -> Mapping[str, float] | None:
        """Mean over seeds: value, std, low, high, p; None: not run.

        `name`: of the class, or pair of classes, for metrics of these; `split`: without one `part_of` the metric.
        """
        return self._figures.get((system, split or part_of(metric), protocol, metric, name))

    def difference(
        self, first: str, second: str, protocol: str, metric: str, name: str = ""
    ) -> Mapping[str, float] | None:
        """`first` minus `second` on the utterances that both predicted: value, low, high, p; None: not both run."""
        if found := self.mean(f"{first}{VERSUS}{second}", protocol, metric, name):
            return found
        if found := self.mean(f"{second}{VERSUS}{first}", protocol, metric, name):
            return flipped(found)
        return None

    def mcnemar(self, first: str, second: str, protocol: str) -> list[Tested]:
        """The test of each seed that both ran, the smallest p first; none where several classes may be present at once."""
        found = self._tests.get((f"{first}{VERSUS}{second}", protocol), [])
        turned = self._tests.get((f"{second}{VERSUS}{first}", protocol), [])
        return sorted(
            [*found, *(Tested(one.p, one.second_alone, one.first_alone) for one in turned)]
        )

    def losses(self, system: str, protocol: str) -> list[float]:
        """Loss on dev of each seed."""
        runs = self.runs[
            (self.runs["metric"] == LOSS)
            & (self.runs["split"] == part_of(LOSS))
            & self.runs["fold"].isna()
        ]
        return runs.loc[
            (runs["system"] == system) & (runs["protocol"] == protocol), "value"
        ].tolist()

    def print_of(self, system: str, metric: str, name: str = "") -> Mapping[str, Any] | None:
        """The first row of `lines` for a score on `part_of` it; None: not printed."""
        return self._cells.get((system, metric, name))

    def kind(self, system: str) -> str:
        """baseline, system (ours, with scores), absent (ours, without) or cited."""
        if system in BASELINES:
            return "baseline"
        if system in self.systems:
            return "system"
        return "absent" if is_key(system) else "cited"

    def reason(self, system: str) -> str:
        """Why a system of the paper has no scores; where the corpus has no clips at all, it may be one that takes them."""
        if system in self.missing:
            return self.missing[system]
        clips = self.parts.loc[self.parts["metric"] == CLIPS, "value"]
        without = f"no clips of {self.corpus} here, and " if len(clips) and not clips.any() else ""
        return f"not run: {without}params.yaml does not ask for it (run.{self.paper})"

    def variant_of(self, system: str) -> str | None:
        """The printed system whose name a name of ours begins with: ``video_clip`` of ``video_clip_max``."""
        return max(
            (name for name in self.names if system.startswith(f"{name}_")), key=len, default=None
        )

    @cached_property
    def names(self) -> list[str]:
        """Systems of the paper's scores, cited ones too, in its order."""
        return list(dict.fromkeys(row["system"] for row in self.printed))

    @cached_property
    def _order(self) -> list[str]:
        """Systems of the paper in its order, each followed by its variants, then other ones of ours, then the baselines."""
        ours = [
            name
            for name in dict.fromkeys(one.removesuffix(UNWEIGHTED) for one in self.systems)
            if name not in self.names
        ]
        variants = {name: self.variant_of(name) for name in ours}
        with_variants = [
            one
            for name in self.names
            for one in (name, *(own for own in ours if variants[own] == name))
        ]
        return [*with_variants, *(name for name in ours if variants[name] is None), *BASELINES]

    def rank(self, system: str) -> list[int]:
        """Place of a system, or of the two of a difference; each one without class weights comes before that with them."""
        return [self._places[name] for name in system.split(VERSUS)]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {
            name: 2 * place + k
            for place, one in enumerate(self._order)
            for k, name in enumerate((f"{one}{UNWEIGHTED}", one))
        }

    def unprinted(self, split: str, printed: Iterable[Row]) -> list[str]:
        """Ours with scores that are not in the rows `printed`, then the trivial baselines."""
        names = {row["system"] for row in printed}
        candidates = [*(name for name in self.systems if name not in names), *BASELINES]
        return [name for name in candidates if (name, split) in self._scored]

    def ran(self, system: str, protocol: str, split: str) -> bool:
        """Tell whether a system has means on a part."""
        return any(row["protocol"] == protocol for row in self._scored.get((system, split), []))

    def n_seeds(self, system: str, protocol: str, split: str) -> float:
        """Number of seeds of a system that were scored on a part; NaN: it was not run."""
        return self._seeds.get((system, protocol, split), NAN)

    def about(
        self, system: str, lines: Sequence[Row], split: str, protocols: Sequence[str]
    ) -> dict[str, Any]:
        """What a row says besides figures: label, system, kind, n, source, inputs, note. `lines`: the row in `printed`."""
        mine = [
            row for row in self._scored.get((system, split), []) if row["protocol"] in protocols
        ]
        kind = self.kind(system)
        remarks = [
            remark for row in lines for remark in remarks_of(row["note"]) if remark != MISSING
        ]  # the cell says that
        return {
            "label": _label(
                system, {row["row"] for row in lines if row["table"] not in self.across}
            ),
            "system": system,
            "kind": kind,
            "printed": len(lines) > 0,
            "n": "/".join(
                map(str, sorted({row["n"] for row in mine}))
            ),  # one number, unless the protocols score different utterances
            "source": "/".join(sorted({row["source"] for row in mine})),
            "inputs": "/".join(
                sorted({row["inputs"] for row in mine if isinstance(row["inputs"], str)})
            ),
            "note": "; ".join(
                dict.fromkeys([*([self.reason(system)] if kind == "absent" else []), *remarks])
            ),
        }

    def figures(
        self, system: str, protocol: str, metric: str, name: str = "", split: str | None = None
    ) -> dict[str, float]:
        """Figures of ours by the endings of FIGURE; NaN where not run."""
        found = self.mean(system, protocol, metric, name, split) or {}
        return {ending: found.get(column, NAN) for ending, column in FIGURE.items()}

    @property
    def where(self) -> str:
        """The corpus, and where it comes from."""
        return (
            f"demo corpus in the layout of {self.corpus}"
            if self.demo
            else f"{self.corpus} ({self.source})"
        )

    @property
    def demo_notes(self) -> list[str]:
        """What is said first of figures from a demo corpus."""
        told = f"Demo: ours are figures on a synthetic corpus in the layout of {self.corpus}, no results on {self.corpus}."
        return [told] if self.demo else []

    def table(
        self,
        name: str,
        title: str,
        caption: str,
        frame: pd.DataFrame,
        columns: Sequence[Column],
        notes: Sequence[str] = (),
        folded: bool = False,
    ) -> Table:
        """A table that says where its figures come from."""
        where, heads = self.where, self.demo_notes
        if self.extra:
            heads.append(f"Corpus not in the paper: it prints no figure on {self.corpus}.")
        if self.unlike:
            where += f", {self.unlike}"
            heads.append(
                "Ours answer another question than the paper: no comparison with its figures."
            )
        if self.suffix and not name.endswith(self.suffix):
            name, title = f"{name}{self.suffix}", f"{title}, {plain(self.suffix[1:])}"
        return Table(
            f"{self.corpus}-{name}",
            f"{title}, {where}.",
            caption,
            frame,
            tuple(columns),
            (*heads, *notes),
            self.demo,
            folded,
            f"{self.paper}-{self.corpus}-{name}",
            self.paper,
            self.corpus,
        )


def views(
    paper: str,
    corpus: str,
    printed: pd.DataFrame,
    ours: pd.DataFrame,
    confidence: float,
    missing: Mapping[str, str] = {},
) -> list[Comparison]:
    """One view of all protocols that ask the same of a system: to tell so many classes apart, one of them or any number at once.

    Most papers ask the same under all protocols, and have one view. Otherwise the paper asks what the first does, ``as_published``.
    """
    ours = ours[~ours["protocol"].str.contains(VERSUS, regex=False)]
    asked: dict[tuple[int, bool], list[str]] = {}
    for protocol in sorted(set(ours["protocol"]), key=lambda name: (name not in PROTOCOLS, name)):
        rows = ours[ours["protocol"] == protocol]
        asked.setdefault((int(rows["classes"].iloc[0]), _several(rows)), []).append(protocol)
    if len(asked) < 2:
        return [Comparison(paper, corpus, printed, ours, confidence, missing=missing)]
    return [
        Comparison(
            paper,
            corpus,
            printed,
            ours[ours["protocol"].isin(protocols)],
            confidence,
            f"-{'-'.join(protocols)}",
            place > 0,
            missing,
        )
        for place, protocols in enumerate(asked.values())
    ]


def _several(ours: pd.DataFrame) -> bool:
    """Whether several classes may be present at once in these scores."""
    return bool(set(ours["metric"]) & (set(BINARY_METRICS) - set(METRICS)))


def formulas(metrics: Iterable[str], multi_label: bool) -> str:
    """A note with the formula of each of `metrics` that has one."""
    known = BINARY_FORMULAS if multi_label else FORMULAS
    told = [
        f"{HEADERS[metric]} = {known[metric]}"
        for metric in dict.fromkeys(metrics)
        if metric in known
    ]
    return f"P utterances of a class, N others, n in all: {'; '.join(told)}{', of each emotion' if multi_label else ''}."


def flipped(difference: Mapping[str, Any]) -> dict[str, Any]:
    """The difference of the same two systems the other way round; what is no figure stays."""
    return {
        **difference,
        "value": -difference["value"],
        "low": -difference["high"],
        "high": -difference["low"],
    }


def _usual(scores: Sequence[Row]) -> list[str]:
    tables = {
        metric: {row["table"] for row in rows}
        for (metric,), rows in grouped(scores, "metric").items()
    }
    every = set().union(*tables.values())
    return list(
        dict.fromkeys(
            [
                *(metric for metric, some in tables.items() if 2 * len(some) >= len(every)),
                "weighted_f1",
            ]
        )
    )


def _label(system: str, rows: set[str]) -> str:
    """The row as printed, and the system where that does not name it."""
    printed = rows.pop() if len(rows) == 1 else system
    return printed if system in printed else f"{printed} ({system})"
