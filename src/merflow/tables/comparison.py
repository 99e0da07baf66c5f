"""A paper's printed numbers and ours on one corpus: what the tables ask."""

import re
from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

import pandas as pd

from merflow.corpora.labels import CLASSES, MULTI_LABEL
from merflow.evaluation.baselines import BASELINES
from merflow.evaluation.metrics import BALANCE, BINARY_METRICS, CORPUS, VERSUS
from merflow.tables.render import NOTHING, Column, Table, interval, number, percent, spread, words
from merflow.tables.reported import MISSING, PER_CLASS, SCORES, remarks_of

#: Systems of a paper that have no code yet, with the reason that their rows give.
NOT_BUILT = {
    "weighted_late_fusion": dict.fromkeys(
        ("audio_wav2vec2", "video_clip", "late_fusion"), "not run: this version rebuilds the text systems only"
    )
}
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
#: Ending of a system's name: ours, the same system without the class weights of the paper.
UNWEIGHTED = "_unweighted"
#: Of the baseline all_negative.
NEGATIVE = (
    "All-negative: no emotion is ever predicted; where they are rare, its accuracy and weighted F1 are high, UAR 50, F1 of present 0."
)
#: Columns of scores.parquet that a figure consists of, by the ending that they get in the CSV of a table.
FIGURE = {"": "value", "_std": "std", "_low": "low", "_high": "high"}
NAN = float("nan")


def is_key(system: str) -> bool:
    """Whether the name is a key of params.yaml; printed names of cited systems are none."""
    return re.fullmatch(r"[a-z][a-z0-9_]*", system) is not None


class Comparison:
    """One paper on one corpus.

    Args:
        paper: key of the paper.
        corpus: name of the corpus.
        printed: rows of merflow.tables.reported for the paper.
        ours: rows of results/scores.parquet for the paper and the corpus.
        confidence: of the intervals in `ours`.

    Attributes:
        printed: scores that tables of the paper print on the corpus.
        balance: what they print of the corpus itself, the shares of its classes.
        extra: the corpus is not in the paper.
        shares: ours of the classes of the corpus; train, dev and test.
        means: ours over all seeds, baselines included; test and dev.
        differences: ours of pairs of systems.
        runs: ours of single seeds.
        systems: systems of ours with scores.
        protocols: those of `means`, in the order of the paper.
        multi_label: several classes may be present at once: each is scored by itself, and all by the mean over them.
        metrics: what at least half of the paper's tables of test scores print, in its order, and weighted F1; of several classes at
            once all that there are.
        main: the one that differences and headlines are about.
        across: tables of the paper in which systems stand side by side, and what is scored below each other.
        demo: ours are figures from a demo corpus, which is never compared with printed ones.
        fewer: how many classes ours tell apart, where these are not all of the corpus: no comparison with printed figures either.
    """

    def __init__(self, paper: str, corpus: str, printed: pd.DataFrame, ours: pd.DataFrame, confidence: float) -> None:
        self.interval = f"{100 * confidence:g} % interval"
        self.paper, self.corpus = paper, corpus
        in_tables = printed[(printed["table"] != "text") & (printed["corpus"] == corpus)]
        self.balance = in_tables[in_tables["metric"].isin(BALANCE)]
        scores = printed[(printed["table"] != "text") & printed["metric"].isin({*SCORES, *PER_CLASS})]
        self.printed = in_tables[in_tables["metric"].isin({*SCORES, *PER_CLASS})]
        systems = self.printed.groupby(["table", "row"])["system"].nunique()
        self.across = {table for (table, _), count in systems.items() if count > 1}
        self.extra = corpus not in set(printed["corpus"])
        pair = ours["system"].str.contains(VERSUS, regex=False)
        self.runs = ours[ours["seed"].notna()].astype({"seed": "int64"})
        self.shares, self.differences = ours[ours["system"] == CORPUS], ours[pair]
        self.means = ours[ours["seed"].isna() & ~pair & (ours["system"] != CORPUS)]
        self.systems = [name for name in dict.fromkeys(self.means["system"]) if name not in BASELINES]
        found = set(ours["protocol"])
        self.protocols = [*(name for name in PROTOCOLS if name in found), *sorted(found - set(PROTOCOLS))]
        self.multi_label = corpus in MULTI_LABEL
        usual = _usual(scores[(scores["split"] == "test") & scores["metric"].isin(SCORES)])
        self.metrics = list(BINARY_METRICS) if self.multi_label else usual
        self.main = "uar" if self.multi_label else "weighted_f1"
        self.source = "/".join(sorted(set(ours["source"]))) or "not run"
        self.demo = "demo" in set(ours["source"])
        self.fewer = next((int(count) for count in ours["classes"] if count != len(CLASSES[corpus])), None)
        score, figures = ["system", "metric", "class"], [*FIGURE.values(), "p"]
        on_test = self.printed[self.printed["split"] == "test"]
        self._cells = on_test.drop_duplicates(score).set_index(score).to_dict("index")
        named = ours[ours["seed"].isna()].fillna({"class": ""}).set_index(["system", "split", "protocol", "metric", "class"])
        self._figures = named[figures].to_dict("index")

    @property
    def comparable(self) -> bool:
        """Whether ours may stand against printed figures."""
        return not self.demo and self.fewer is None

    def mean(self, system: str, protocol: str, metric: str, name: str = "", split: str = "test") -> Mapping[str, float] | None:
        """Mean over seeds: value, std, low, high, p; None: not run. `name`: of the class, or pair of classes, for metrics of these."""
        return self._figures.get((system, split, protocol, metric, name))

    def difference(self, first: str, second: str, protocol: str, metric: str, name: str = "") -> Mapping[str, float] | None:
        """`first` minus `second` on the utterances that both predicted: value, low, high, p; None: not both run."""
        if found := self.mean(f"{first}{VERSUS}{second}", protocol, metric, name):
            return found
        if found := self.mean(f"{second}{VERSUS}{first}", protocol, metric, name):
            return flipped(found)
        return None

    def print_of(self, system: str, metric: str, name: str = "") -> Mapping[str, Any] | None:
        """The first row of `printed` for a score on test; None: not printed."""
        return self._cells.get((system, metric, name))

    def kind(self, system: str) -> str:
        """baseline, system (ours, with scores), absent (ours, without) or cited."""
        if system in BASELINES:
            return "baseline"
        if system in self.systems:
            return "system"
        return "absent" if is_key(system) else "cited"

    def reason(self, system: str) -> str:
        """Why a system of the paper has no scores."""
        return NOT_BUILT.get(self.paper, {}).get(system, f"not run: params.yaml does not ask for it (run.{self.paper})")

    def rank(self, system: str) -> list[int]:
        """Place of a system (or of the two of a difference) in the paper's order, each without class weights first; baselines last."""
        ours = [name.removesuffix(UNWEIGHTED) for name in self.systems]
        order = [*dict.fromkeys([*self.printed["system"], *ours]), *BASELINES]
        places = {name: 2 * place + k for place, one in enumerate(order) for k, name in enumerate((f"{one}{UNWEIGHTED}", one))}
        return [places[name] for name in system.split(VERSUS)]

    def unprinted(self, split: str, printed: pd.DataFrame) -> list[str]:
        """Ours with scores that are not in the rows `printed`, then the trivial baselines."""
        here = set(self.means.loc[self.means["split"] == split, "system"])
        return [name for name in [*(name for name in self.systems if name not in set(printed["system"])), *BASELINES] if name in here]

    def about(self, system: str, lines: pd.DataFrame, split: str, protocols: Sequence[str]) -> dict[str, Any]:
        """What a row says besides figures: label, system, kind, n, source, inputs, note. `lines`: the row in `printed`."""
        mine = self.means[(self.means["system"] == system) & (self.means["split"] == split) & self.means["protocol"].isin(protocols)]
        kind = self.kind(system)
        remarks = [remark for note in lines["note"] for remark in remarks_of(note) if remark != MISSING]  # the cell says that
        return {
            "label": _label(system, set(lines.loc[~lines["table"].isin(self.across), "row"])),
            "system": system,
            "kind": kind,
            "printed": len(lines) > 0,
            "n": "/".join(map(str, sorted(set(mine["n"])))),  # one number, unless the protocols score different utterances
            "source": "/".join(sorted(set(mine["source"]))),
            "inputs": "/".join(sorted(set(mine["inputs"].dropna()))),
            "note": "; ".join(dict.fromkeys([*([self.reason(system)] if kind == "absent" else []), *remarks])),
        }

    def figures(self, system: str, protocol: str, metric: str, name: str = "", split: str = "test") -> dict[str, float]:
        """Figures of ours by the endings of FIGURE; NaN where not run."""
        found = self.mean(system, protocol, metric, name, split) or {}
        return {ending: found.get(column, NAN) for ending, column in FIGURE.items()}

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
        where = f"demo corpus in the layout of {self.corpus}" if self.demo else f"{self.corpus} ({self.source})"
        heads = []
        if self.demo:
            heads.append(f"Demo: ours are figures on a synthetic corpus in the layout of {self.corpus}, no results on {self.corpus}.")
        if self.extra:
            heads.append(f"Corpus not in the paper: it prints no figure on {self.corpus}.")
        if self.fewer is not None:
            where += f", {self.fewer} classes instead of {len(CLASSES[self.corpus])}"
            heads.append("Ours tell other classes apart than the paper: no comparison with its figures.")
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
        )


def flipped(difference: Mapping[str, Any]) -> dict[str, Any]:
    """The difference of the same two systems the other way round; what is no figure stays."""
    return {**difference, "value": -difference["value"], "low": -difference["high"], "high": -difference["low"]}


def _usual(scores: pd.DataFrame) -> list[str]:
    tables = scores.groupby("metric", sort=False)["table"].nunique()
    return list(dict.fromkeys([*tables.index[2 * tables >= scores["table"].nunique()], "weighted_f1"]))


def _label(system: str, rows: set[str]) -> str:
    """The row as printed, and the system where that does not name it."""
    printed = rows.pop() if len(rows) == 1 else system
    return printed if system in printed else f"{printed} ({system})"


def percent_decimals(cell: Mapping[str, Any]) -> int:
    """Digits that a printed number keeps when it is shown in percent: 0.34 -> 34, 0.6204 -> 62.04."""
    return int(cell["decimals"]) if cell["unit"] == "percent" else max(int(cell["decimals"]) - 2, 0)


def as_percent(cell: Mapping[str, Any]) -> str:
    """A printed number in percent, with the digits that it is printed with; or that it is not in our source."""
    return cell["value"] if isnan(cell["share"]) else percent(cell["share"], percent_decimals(cell))


def printed_cell(key: str, cell: Mapping[str, Any] | None) -> dict[str, Any]:
    """What `printed_column` shows: the printed figure of `key` as a share, as it is printed, and its decimals in percent; None: none."""
    share, text, decimals = (cell["share"], cell["value"], percent_decimals(cell)) if cell else (NAN, "", 0)
    return {f"printed_{key}": share, f"printed_{key}_as": text, f"printed_{key}_decimals": decimals}


def ours_column(header: str, key: str, group: str) -> Column:
    """Mean ± standard deviation under `key`, or that it was not run; nothing for cited systems, or where the row names no metric."""

    def cell(row: pd.Series) -> str:
        if pd.isna(row[key]):
            return NOTHING if row["kind"] == "cited" or not row.get(f"{key}_metric", True) else "not run"
        return spread(row[key], row[f"{key}_std"])

    return Column(header, cell, group)


def limits_column(view: Comparison, key: str, group: str) -> Column:
    """The interval of the mean under `key`."""
    return Column(view.interval, lambda row: interval(row[f"{key}_low"], row[f"{key}_high"]), group)


def printed_column(header: str, key: str, group: str) -> Column:
    """The printed figure of `key` in percent, or that it is not in our source."""

    def cell(row: pd.Series) -> str:
        if row[f"printed_{key}_as"] == MISSING:
            return MISSING
        return percent(row[f"printed_{key}"], int(row[f"printed_{key}_decimals"]))

    return Column(header, cell, group)


def note_column(frame: pd.DataFrame) -> tuple[Column, list[str]]:
    """Remarks of the rows as numbers, and the remarks, numbered. What is said of every printed row has no number."""
    noted = [set(remarks_of(note)) for note in frame.loc[frame["printed"], "note"]]
    common = set.intersection(*noted) if len(noted) > 1 else set()
    remarks = list(dict.fromkeys(remark for note in frame["note"] for remark in remarks_of(note)))
    numbered = [remark for remark in remarks if remark not in common]
    cell = lambda note: " ".join(f"({numbered.index(remark) + 1})" for remark in remarks_of(note) if remark not in common)
    listed = [f"{remark}." for remark in remarks if remark in common] + [f"({k}) {remark}." for k, remark in enumerate(numbered, 1)]
    return words("notes", "note", cell), listed


def closing_columns() -> list[Column]:
    """n, source and inputs."""
    return [number("n", "n"), words("source", "source"), words("inputs", "inputs")]
