"""The step ``tables``: a paper's printed numbers beside ours, in the paper's order.

Per paper and corpus: test results (printed, and ours under each protocol, side by side), dev results, single seeds,
classes, and differences between systems. What was not run is a row that says so. Figures from a demo corpus are
named so in title, source column and notes, and are never subtracted from printed ones.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from merflow import artifacts
from merflow.evaluation.baselines import BASELINES
from merflow.evaluation.metrics import VERSUS
from merflow.store import read_metadata, read_table, write_folder
from merflow.tables.render import NOTHING, Column, Table, interval, number, percent, plain, points, render, spread, words
from merflow.tables.reported import load

#: Systems of a paper that have no code yet, with the reason that their rows give.
NOT_BUILT = {
    "weighted_late_fusion": dict.fromkeys(
        ("audio_wav2vec2", "video_clip", "late_fusion"), "not run: this version rebuilds the text systems only"
    )
}
PROTOCOLS = ("as_published", "clean")
HEADERS = {
    "accuracy": "accuracy",
    "weighted_f1": "weighted F1",
    "weighted_precision": "weighted precision",
    "weighted_recall": "weighted recall",
}


def build(scores: Path, reported: Path, out: Path) -> None:
    """Write results/tables: per table <paper>/<corpus>-<table>.{md,csv,html,tex}, and index.json.

    Args:
        scores: results/scores.parquet.
        reported: folder of printed numbers, one file per paper.
        out: folder to write.

    Raises:
        EvaluationError: a file of printed numbers is malformed.
        StoreError: scores are absent, or `out` cannot be written.
    """
    measured = read_table(scores, artifacts.SCORES)
    confidence = read_metadata(scores, artifacts.SCORES)["evaluation"]["confidence"]
    files: dict[str, str] = {}
    index = []
    for path in sorted(reported.glob("*.csv")):
        paper, printed = path.stem, load(reported, path.stem)
        ours = measured[measured["paper"] == paper]
        for corpus in dict.fromkeys([*printed["corpus"], *ours["corpus"]]):
            view = Comparison(paper, corpus, printed[printed["corpus"] == corpus], ours[ours["corpus"] == corpus], confidence)
            tables = [table for table in view.tables() if len(table.frame)]
            for table in tables:
                files |= {f"{paper}/{name}": text for name, text in render(table).items()}
            listed = [{"name": table.name, "title": table.title} for table in tables]
            index.append({"paper": paper, "corpus": corpus, "demo": view.demo, "headlines": list(view.headlines()), "tables": listed})
    files["index.json"] = json.dumps(index, indent=1, ensure_ascii=False) + "\n"
    write_folder(out, files)


class Comparison:
    """The tables of one paper on one corpus.

    Args:
        paper: key of the paper.
        corpus: name of the corpus.
        printed: rows of merflow.tables.reported for the corpus.
        ours: rows of results/scores.parquet for the paper and the corpus.
        confidence: of the intervals in `ours`.
    """

    def __init__(self, paper: str, corpus: str, printed: pd.DataFrame, ours: pd.DataFrame, confidence: float) -> None:
        self.interval = f"{100 * confidence:g} % interval"
        self.paper, self.corpus = paper, corpus
        self.printed = printed[(printed["table"] != "text") & printed["share"].notna()]
        self.runs = ours[ours["seed"].notna()].astype({"seed": "int64"})
        self.means = ours[ours["seed"].isna() & ~ours["system"].str.contains(VERSUS, regex=False)]
        self.differences = ours[ours["system"].str.contains(VERSUS, regex=False)]
        self.systems = [name for name in dict.fromkeys(self.means["system"]) if name not in BASELINES]
        found = set(ours["protocol"])
        self.protocols = [*(name for name in PROTOCOLS if name in found), *sorted(found - set(PROTOCOLS))]
        self.source = "/".join(sorted(set(ours["source"]))) or "not run"
        self.demo = "demo" in set(ours["source"])

    def tables(self) -> Iterator[Table]:
        """All tables, the most important first."""
        yield self.test()
        yield self.dev()
        yield self.classes()
        yield self.seeds()
        yield self.paired()

    def headlines(self) -> Iterator[str]:
        """One sentence per protocol for each system that the paper sets beside cited ones; if none of them ran, for each that did."""
        frame = self._rows("test", ["accuracy", "weighted_f1"])
        with_cited = set(frame.loc[frame["kind"] == "cited", "table"])
        baseline = frame[frame["system"] == "majority"]
        ran = frame[frame["kind"] == "system"]
        chosen = ran[ran["table"].isin(with_cited)]
        for _, row in (chosen if len(chosen) else ran.drop_duplicates("system")).iterrows():
            for protocol in self.protocols:
                if pd.isna(row[f"{protocol}_weighted_f1"]):
                    continue
                start = f" from {row['checkpoint']}" if row["checkpoint"] else ""  # it need not be the paper's
                ours = spread(row[f"{protocol}_weighted_f1"], row[f"{protocol}_weighted_f1_std"])
                limits = interval(row[f"{protocol}_weighted_f1_low"], row[f"{protocol}_weighted_f1_high"])
                seeds = f"{row[f'{protocol}_seeds']:.0f} seed{'s' if row[f'{protocol}_seeds'] > 1 else ''}"
                text = f"{row['system']}{start}, {plain(protocol)}: weighted F1 {ours} {limits}, {seeds}"
                text += f"; majority class {percent(baseline[f'{protocol}_weighted_f1'].iloc[0])}."
                if pd.isna(row["printed_weighted_f1"]):
                    yield f"{text} The paper prints no such system."
                    continue
                beside = f" The paper prints {percent(row['printed_weighted_f1'])}"
                difference = row[f"{protocol}_difference"]
                yield text + (
                    f"{beside} (on the real corpus: no comparison)." if self.demo else f"{beside}, a difference of {points(difference)}."
                )

    def test(self) -> Table:
        """Test results in the paper's order, cited systems and trivial baselines included."""
        columns = [words("row", "label"), number("table", "table")]
        columns += [_printed(metric) for metric in ("accuracy", "weighted_f1")]
        for protocol in self.protocols:
            columns += _ours(protocol, f"{plain(protocol)}{', demo corpus' if self.demo else ''}", self.interval)
        columns += [number("n", "n"), words("source", "source"), words("checkpoint", "checkpoint")]
        frame = self._rows("test", ["accuracy", "weighted_f1"])
        remarks = list(dict.fromkeys(remark for note in frame["note"] for remark in _remarks(note)))
        columns.append(words("notes", "note", lambda note: " ".join(f"({remarks.index(remark) + 1})" for remark in _remarks(note))))
        notes = ["Printed rows stand in the paper's order; majority and chance see the classes of the train split only."]
        notes.append("Ours: mean ± standard deviation over seeds; [ ]: bootstrap interval of the mean over dialogues.")
        notes += ["n: utterances scored, the same for every seed.", "Difference: our weighted F1 minus the printed one, in points."]
        notes += [f"({number}) {remark}." for number, remark in enumerate(remarks, 1)]
        caption = "Accuracy and weighted F1 in percent: printed, and ours under each protocol."
        return self._table("test", "Test results", caption, frame, columns, notes)

    def dev(self) -> Table:
        """Dev results of every setting (the paper's "training and validation results")."""
        metrics = list(HEADERS)
        frame = self._rows("dev", metrics)
        columns = [words("row", "label"), number("table", "table")]
        for metric in metrics:
            columns.append(_printed(metric, group=HEADERS[metric], header="printed"))
            for protocol in self.protocols:
                columns.append(_mean(plain(protocol), f"{protocol}_{metric}", HEADERS[metric]))
        columns.append(words("source", "source"))
        return self._table("dev", "Dev results", "In percent. Ours: mean ± standard deviation over seeds.", frame, columns, [])

    def classes(self) -> Table:
        """F1 of every class on test."""
        rows = self.means[(self.means["split"] == "test") & (self.means["metric"] == "f1")]
        classes = list(dict.fromkeys(rows["class"]))
        frame = self._per_protocol(
            rows.pivot(index=["system", "protocol"], columns="class", values="value").reindex(columns=classes).reset_index()
        )
        columns = [*_names("system"), *(number(name, name, percent) for name in classes), words("source", "source")]
        return self._table("classes", "F1 of each class", "Test part, in percent, mean over seeds.", frame, columns, [])

    def seeds(self) -> Table:
        """Every run: nothing hides behind a mean."""
        test = self.runs[self.runs["fold"].isna() & (self.runs["split"] == "test") & self.runs["class"].isna()]
        frame = test.pivot(index=["system", "protocol", "seed"], columns="metric", values="value").reset_index()
        epochs = self.runs[self.runs["metric"] == "selected_epoch"].sort_values("fold")
        shown = epochs.groupby(["system", "protocol", "seed"])["value"].agg(lambda values: ", ".join(f"{value:.0f}" for value in values))
        frame = self._per_protocol(frame.merge(shown.rename("selected_epoch"), on=["system", "protocol", "seed"], how="left"))
        columns = [*_names("system"), number("seed", "seed"), number("accuracy", "accuracy", percent)]
        columns += [number("weighted F1", "weighted_f1", percent), number("macro F1", "macro_f1", percent), number("UAR", "uar", percent)]
        columns += [number("epoch scored", "selected_epoch"), words("source", "source")]
        caption = "Test part, in percent. Epoch scored: one number per fold, counted from 1."
        return self._table("seeds", "Every seed", caption, frame, columns, [])

    def paired(self) -> Table:
        """Differences between systems on the same utterances."""
        rows = self.differences.loc[self.differences["metric"] == "weighted_f1", ["system", "protocol", "value", "low", "high", "n"]]
        frame = self._per_protocol(pd.DataFrame([self._oriented(row) for row in rows.to_dict("records")], columns=rows.columns))
        frame["verdict"] = [_verdict(row) for _, row in frame.iterrows()]
        columns = [*_names("first - second"), number("difference", "value", points)]
        columns.append(Column(self.interval, lambda row: interval(row["low"], row["high"], points)))
        columns += [number("n", "n"), words("verdict", "verdict"), words("source", "source")]
        notes = ["Paired bootstrap over dialogues of the mean over seeds. A verdict needs an interval that leaves out 0."]
        notes.append("The intervals are not corrected for the number of pairs.")
        return self._table("differences", "Differences between systems", "Weighted F1 on test, in points.", frame, columns, notes)

    def _rows(self, split: str, metrics: list[str]) -> pd.DataFrame:
        """One row per printed (table, system), then our systems that no table prints (test only), then baselines."""
        printed = self.printed[(self.printed["split"] == split) & self.printed["metric"].isin(metrics)]
        rows = [self._row(split, metrics, system, lines) for (_, system), lines in printed.groupby(["table", "system"], sort=False)]
        more = [name for name in self.systems if name not in set(printed["system"])]
        here = set(self.means.loc[self.means["split"] == split, "system"])
        rows += [self._row(split, metrics, name, printed.iloc[:0]) for name in [*more, *BASELINES] if name in here]
        return pd.DataFrame(rows)

    def _row(self, split: str, metrics: list[str], system: str, lines: pd.DataFrame) -> dict:
        printed = lines.drop_duplicates("metric").set_index("metric")
        names = set(lines["row"]) - {system}
        row: dict = {
            "label": f"{names.pop()} ({system})" if len(names) == 1 else system,
            "table": next(iter(lines["table"]), ""),
            "system": system,
            "kind": self._kind(system),
        }
        for metric in metrics:
            there = metric in printed.index
            row[f"printed_{metric}"] = printed.at[metric, "share"] if there else float("nan")
            row[f"printed_{metric}_as"] = printed.at[metric, "value"] if there else ""
            row[f"printed_{metric}_decimals"] = _percent_decimals(printed.loc[metric]) if there else 0
        mine = self.means[(self.means["system"] == system) & (self.means["split"] == split)]
        for protocol in self.protocols:
            values = mine[mine["protocol"] == protocol].set_index("metric")
            for metric in metrics:
                for name, column in (("", "value"), ("_std", "std"), ("_low", "low"), ("_high", "high")):
                    row[f"{protocol}_{metric}{name}"] = values.at[metric, column] if metric in values.index else float("nan")
            of_system = self.runs[(self.runs["system"] == system) & (self.runs["protocol"] == protocol) & (self.runs["split"] == split)]
            row[f"{protocol}_seeds"] = of_system["seed"].nunique() if len(of_system) else float("nan")
            difference = row[f"{protocol}_weighted_f1"] - row["printed_weighted_f1"]
            row[f"{protocol}_difference"] = float("nan") if "demo" in set(values["source"]) else difference
        row["n"] = "/".join(map(str, sorted(set(mine["n"]))))  # one number, unless the protocols score different utterances
        row["source"] = "/".join(sorted(set(mine["source"])))
        row["checkpoint"] = "/".join(sorted(set(mine["checkpoint"].dropna())))
        remarks = [remark for note in lines["note"] for remark in _remarks(note)]
        reason = [self._reason(system)] if row["kind"] == "absent" else []
        row["note"] = "; ".join(dict.fromkeys([*reason, *remarks]))
        return row

    def _kind(self, system: str) -> str:
        if system in BASELINES:
            return "baseline"
        if system in self.systems:
            return "system"
        return "absent" if re.fullmatch(r"[a-z][a-z0-9_]*", system) else "cited"

    def _reason(self, system: str) -> str:
        return NOT_BUILT.get(self.paper, {}).get(system, f"not run: params.yaml does not ask for it (run.{self.paper})")

    def _rank(self, system: str) -> list[int]:
        """Place of a system (or of the two of a difference) in the paper's order; baselines come last."""
        order = [*dict.fromkeys([*self.printed["system"], *self.systems]), *BASELINES]
        return [order.index(name) for name in system.split(VERSUS)]

    def _oriented(self, row: dict) -> dict:
        """A difference with the system that the paper names later first: later ones are meant to be better."""
        first, second = row["system"].split(VERSUS)
        if self._rank(first) > self._rank(second):
            return row
        return row | {"system": f"{second}{VERSUS}{first}", "value": -row["value"], "low": -row["high"], "high": -row["low"]}

    def _per_protocol(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Systems in the paper's order, protocols in theirs; adds the source and the kind of each row."""
        frame = frame.assign(source=self.source, kind=["baseline" if name in BASELINES else "system" for name in frame["system"]])
        order = sorted(
            range(len(frame)), key=lambda k: (self._rank(frame["system"].iloc[k]), self.protocols.index(frame["protocol"].iloc[k]))
        )
        return frame.iloc[order].reset_index(drop=True)

    def _table(self, name: str, title: str, caption: str, frame: pd.DataFrame, columns: list[Column], notes: list[str]) -> Table:
        if self.demo:
            notes = [f"Demo: ours are figures on a synthetic corpus in the layout of {self.corpus}, no results on {self.corpus}.", *notes]
        where = f"demo corpus in the layout of {self.corpus}" if self.demo else f"{self.corpus} ({self.source})"
        return Table(f"{self.corpus}-{name}", f"{title}, {where}.", caption, frame, tuple(columns), tuple(notes), self.demo)


def _remarks(note: str) -> list[str]:
    return [remark for remark in note.split("; ") if remark]


def _percent_decimals(cell: pd.Series) -> int:
    """Digits that a printed number keeps when it is shown in percent: 0.34 -> 34, 0.6204 -> 62.04."""
    return int(cell["decimals"]) if cell["unit"] == "percent" else max(int(cell["decimals"]) - 2, 0)


def _printed(metric: str, group: str = "printed", header: str | None = None) -> Column:
    return Column(header or HEADERS[metric], lambda row: percent(row[f"printed_{metric}"], int(row[f"printed_{metric}_decimals"])), group)


def _mean(header: str, key: str, group: str) -> Column:
    def cell(row: pd.Series) -> str:
        if pd.isna(row[key]):
            return NOTHING if row["kind"] == "cited" else "not run"
        return spread(row[key], row[f"{key}_std"])

    return Column(header, cell, group)


def _ours(protocol: str, group: str, interval_header: str) -> list[Column]:
    f1 = f"{protocol}_weighted_f1"
    limits = Column(interval_header, lambda row: interval(row[f"{f1}_low"], row[f"{f1}_high"]), group)
    difference = number("difference", f"{protocol}_difference", points, group)
    seeds = number("seeds", f"{protocol}_seeds", lambda count: f"{count:.0f}" if count > 0 else "", group)
    return [_mean("accuracy", f"{protocol}_accuracy", group), _mean("weighted F1", f1, group), limits, difference, seeds]


def _names(first: str) -> list[Column]:
    return [words(first, "system"), words("protocol", "protocol", plain)]


def _verdict(row: pd.Series) -> str:
    first, second = row["system"].split(VERSUS)
    if row["low"] > 0:
        return f"{first} is better"
    return f"{second} is better" if row["high"] < 0 else "inconclusive"
