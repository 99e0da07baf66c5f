"""Figures of the report, by kind, system and protocol.

Plotting is most of the work of a report, and few plots change from one report to the next. Earlier
plots are taken from scratch (joblib.Memory), by the code and the numbers that they are made from.
Matplotlib is loaded only for a new plot.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from joblib import Memory

from merflow.errors import StoreError
from merflow.evaluation.formulas import accuracy
from merflow.evaluation.predictions import Prepared, Result
from merflow.paths import SHEET_INDEX
from merflow.provenance import digest, versions
from merflow.records import Record, Run
from merflow.tables import SHEET_IMAGE
from merflow.tables.render import plain
from merflow.tables.rendered import SystemRuns
from merflow.tables.report.runs import runs_address, runs_page

if TYPE_CHECKING:
    from merflow.tables.plots import Plot

#: Name of a function of merflow.tables.plots and its arguments -> the plot.
Draw = Callable[..., "Plot"]
#: Path in the report -> content.
Files = dict[str, str | bytes]

KEPT = "256M"  # of earlier plots; the oldest go first

#: Kind -> heading, and what all figures of it show, in the order of a page.
KINDS = {
    "distribution": (
        "Distribution of the emotions",
        "Rows of all splits under each protocol, a row being an utterance or one of its labels.",
    ),
    "tokens": (
        "Tokens kept against accuracy",
        "Systems with visual sequence compression, and the same systems without it. Tokens: mean"
        " number per frame in the later stages of the network. Accuracy: on the test split, all"
        " seeds together.",
    ),
    "confusion": (
        "Confusion matrices",
        "Test split, in percent of each label, all seeds together.",
    ),
    "recalls": (
        "Recall of each class",
        "Test split, all seeds together. Recall of the utterances in which a class is present, and"
        " of those in which it is absent. Their mean is UAR, which is 50 for a constant prediction"
        " (dotted line).",
    ),
    "weights": (
        "Fusion weights",
        "Chosen on dev unless params.yaml fixes them. Bars are means over runs, dots are runs (fold"
        " and seed). Brackets hold the smallest and the largest weight.",
    ),
    "attention": (
        "Attention",
        "Mean weight of each modality in test utterances of each class, all seeds together. Dotted"
        " line: equal weights.",
    ),
    "curves": ("Learning curves", "One line per run (fold and seed)."),
}


#: Paper and corpus -> kind of our figure, and the paper's own figure of the same.
PRINTED = {
    ("mel_cnn_bert", "meld"): ("distribution", "Figure 4"),
    ("mel_cnn_bert", "mosei"): ("distribution", "Figure 5"),
}


class Panel(NamedTuple):
    """A plot under one protocol, with its size in points and its content in words."""

    src: str
    width: int
    height: int
    protocol: str
    description: str


class Figure(NamedTuple):
    """Panels of one system (empty: of all together), and the address of its runs."""

    system: str
    href: str
    panels: list[Panel]


class Kind(NamedTuple):
    """All figures of one kind on a page."""

    key: str
    title: str
    caption: str
    figures: list[Figure]


@contextmanager
def drawing(scratch: Path | None) -> Iterator[Draw]:
    """Function that draws plots, or takes earlier ones from `scratch` (None: draws all)."""
    memory = Memory(scratch, verbose=0)
    draw_once = memory.cache(_draw, ignore=["name", "content"])
    code = [digest("merflow.tables.plots"), versions("matplotlib")]

    def draw(name: str, *content: Any) -> "Plot":
        key = json.dumps([code, name, content], default=np.ndarray.tolist)
        return draw_once(sha256(key.encode()).hexdigest(), name, content)

    yield draw
    memory.reduce_size(KEPT)


def _draw(key: str, name: str, content: tuple[Any, ...]) -> "Plot":
    """A plot, whose `key` is a digest of everything that it is made from."""
    from merflow.tables import plots

    drawn: Plot = getattr(plots, name)(*content)
    return drawn


def figures(
    results: Sequence[Result], corpora: Mapping[str, Prepared], draw: Draw, files: Files
) -> list[Kind]:
    """Draw the figures of a paper's results on one corpus into `files`, by kind."""
    panels: dict[str, dict[str, list[Panel]]] = {key: {} for key in KINDS}
    for protocol, result in {result.record.protocol: result for result in results}.items():
        record = result.record
        name = f"figures/{record.paper}/{record.corpus}-{protocol}-distribution.svg"
        plot = draw("distribution", *_distribution(result, corpora[record.corpus]))
        panels["distribution"].setdefault("", []).append(_panel(name, plot, plain(protocol), files))
    for result in results:
        record = result.record
        stem = f"figures/{record.paper}/{record.system}-{record.corpus}-{record.protocol}"
        for key, plot in _plots(result, draw):
            panel = _panel(f"{stem}-{key}.svg", plot, plain(record.protocol), files)
            panels[key].setdefault(record.system, []).append(panel)
    if systems := _compressed(results):
        record = results[0].record
        name = f"figures/{record.paper}/{record.corpus}-tokens.svg"
        plot = draw("tokens_against", systems, "accuracy")
        panels["tokens"][""] = [_panel(name, plot, "all systems and protocols", files)]
    if not results:
        return []
    first = results[0].record
    return [
        Kind(
            key,
            title,
            caption + _as_printed(first, key),
            [_figure(first, *item) for item in panels[key].items()],
        )
        for key, (title, caption) in KINDS.items()
        if panels[key]
    ]


def _as_printed(record: Record, key: str) -> str:
    """Sentence that names the paper's own figure of a kind; empty: it has none."""
    kind, name = PRINTED.get((record.paper, record.corpus), ("", ""))
    return f" {name} of the paper shows this of its own rows." if kind == key else ""


def _figure(record: Record, system: str, panels: list[Panel]) -> Figure:
    if not system:
        return Figure(system, runs_page(record.paper), panels)
    runs = SystemRuns(paper=record.paper, system=system, corpus=record.corpus)
    return Figure(system, runs_address(runs), panels)


def _panel(name: str, plot: "Plot", protocol: str, files: Files) -> Panel:
    files[name] = plot.svg
    return Panel(name, plot.width, plot.height, protocol, plot.description)


def _plots(result: Result, draw: Draw) -> Iterator[tuple[str, "Plot"]]:
    """Plots of a result, each with its kind."""
    record = result.record
    counts = result.counts("test").sum(axis=(0, 1))
    kind = "recalls" if counts.ndim == 3 else "confusion"  # multi-label, or one class
    yield kind, draw(kind, counts, result.classes)
    if record.attention:
        test = result.predictions[result.predictions["split"] == "test"]
        one_hot = result.task.one_hot[test["label"]]
        present = one_hot if one_hot.ndim == 2 else one_hot[..., 1]
        shares = np.stack(test["attention"])
        yield "attention", draw("attention", shares, present, result.classes, record.attention)
    if weights := [run.weights for run in record.runs if run.weights]:
        temperatures = [run.temperatures for run in record.runs if run.temperatures]
        yield "weights", draw("fusion_weights", weights, temperatures)
    if histories := [_history(run, record) for run in record.runs if run.history]:
        yield "curves", draw("learning_curves", histories)


def _distribution(result: Result, corpus: Prepared) -> tuple[list[int], tuple[str, ...], int]:
    """Rows of each class, classes, and rows in all; every fold has the same rows."""
    record, task = result.record, result.task
    scope = corpus.scope(record.scheme, record.class_of, task)
    labels = scope.loc[scope["fold"] == scope["fold"].min(), "label"].to_numpy()
    return list(task.class_counts(labels).values()), task.classes, len(labels)


def _history(run: Run, record: Record) -> list[dict[str, float | None]]:
    """Losses and score of each epoch, by names that contain their split."""
    split, metric = record.validation, record.selection_metric
    curves: list[dict[str, float | None]] = []
    for epoch in run.history:
        validation = {f"{split}_loss": epoch.loss, f"{split}_{metric}": epoch.score}
        measured = validation if epoch.losses else {}
        curves.append({"epoch": epoch.epoch, **measured, "train_loss": epoch.train_loss})
    return curves


def _compressed(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Tokens and accuracy of the systems that count tokens."""
    systems = []
    for result in results:
        counts = [sum(run.tokens) for run in result.record.runs if run.tokens is not None]
        if counts:
            names = {"system": result.record.system, "protocol": result.record.protocol}
            score = float(accuracy(result.counts("test").sum(axis=(0, 1))))
            systems.append(names | {"tokens": sum(counts) / len(counts), "score": score})
    return systems


def sheet(folder: Path, files: Files) -> dict[str, Any]:
    """Read a frame sheet (merflow.tables.frame_sheet). Its image goes into `files`.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        content: dict[str, Any] = json.loads((folder / SHEET_INDEX).read_text(encoding="utf-8"))
        stem = f"{content['system']}-{content['corpus']}"
        content["src"] = f"figures/{content['paper']}/{stem}-frames.jpg"
        files[content["src"]] = (folder / SHEET_IMAGE).read_bytes()
    except OSError as error:
        raise StoreError(
            f"{error.filename}: cannot be read ({error.strerror});"
            " build it with `snakemake --cores 2`"
        ) from error
    return content
