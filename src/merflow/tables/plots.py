"""Plots of the report as SVG: the same bytes for the same numbers.

Distributions of classes, confusion matrices, recalls, fusion weights, tokens against accuracy,
learning curves and attention.
Each function returns a `Plot`, whose description serves readers who cannot see it.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import RcKeyType

from merflow.tables.svg import svg_of

STYLE: dict[RcKeyType, Any] = {
    "svg.hashsalt": "merflow",
    "svg.fonttype": "none",  # text stays text
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica", "Arial", "DejaVu Sans", "sans-serif"],
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "lines.linewidth": 1.4,
    "text.parse_math": False,  # names of classes may hold dollar signs
}
COLOURS = ("#2a5d8f", "#c0622d")
MARKERS = "os^Dv<>PX*"
GREY = "#888888"  # of reference lines
SMALL = 7.5  # font size of legends and of numbers beside bars
FEW = 12  # epochs, up to which each has a dot
POINTS_PER_INCH = 72

Looks = dict[str, Any]  # keyword arguments of matplotlib


class Plot(NamedTuple):
    """A plot, its content in words, and its size in points."""

    svg: str
    description: str
    width: int
    height: int


def _plot(figure: Figure, description: str) -> Plot:
    width, height = (round(POINTS_PER_INCH * inches) for inches in figure.get_size_inches())
    return Plot(svg_of(figure), description, width, height)


@mpl.rc_context(STYLE)
def distribution(counts: Sequence[int], classes: Sequence[str], n: int) -> Plot:
    """Plot the number of utterances of each class, and their share of all in percent.

    Args:
        counts: K numbers; an utterance may be of several classes.
        classes: K names.
        n: number of utterances.
    """
    places = np.arange(len(classes))
    texts = [f"{count:,} ({100 * count / max(n, 1):.1f} %)" for count in counts]
    figure = Figure(figsize=(3.6, 0.7 + 0.25 * len(classes)), layout="constrained")
    axes = figure.add_subplot()
    bars = axes.barh(places, counts, height=0.7, color=COLOURS[0])
    axes.bar_label(bars, texts, padding=3, fontsize=SMALL)
    axes.set(yticks=places, yticklabels=classes, xlabel=f"number ({n:,} in all)")
    axes.set_xlim(0, 1.45 * max([1, *counts]))
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    _top_down(axes)
    sentences = [f"{name} {text}" for name, text in zip(classes, texts, strict=True)]
    return _plot(figure, f"Of {n:,}: {', '.join(sentences)}.")


@mpl.rc_context(STYLE)
def confusion(counts: np.ndarray, classes: Sequence[str]) -> Plot:
    """Plot a confusion matrix in percent of each label.

    Args:
        counts: shape (K, K), label x prediction.
        classes: K names.
    """
    support = counts.sum(axis=1, keepdims=True)
    shares = np.divide(100.0 * counts, support, out=np.zeros(counts.shape), where=support > 0)
    figure = Figure(figsize=(3.5, 3.2), layout="constrained")
    axes = figure.add_subplot()
    places = np.arange(len(classes))
    looks: Looks = {"cmap": "Blues", "vmin": 0, "vmax": 100, "edgecolors": "white", "linewidth": 1}
    axes.pcolormesh(places, places, np.round(shares), clip_on=False, **looks)
    middle: Looks = {"ha": "center", "va": "center", "fontsize": 8}
    for (label, predicted), share in np.ndenumerate(shares):
        colour = "white" if share > 55 else "#222222"
        axes.text(predicted, label, f"{share:.0f}", color=colour, **middle)
    axes.set(xticks=places, yticks=places, yticklabels=classes)
    axes.set(xlabel="predicted", ylabel="label")
    axes.set_xticklabels(classes, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_aspect("equal")
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    sentences = [_confused(shares[k], k, classes) for k in range(len(classes)) if support[k, 0] > 0]
    return _plot(figure, "; ".join(sentences) + ".")


def _confused(shares: np.ndarray, label: int, classes: Sequence[str]) -> str:
    """A row of a confusion matrix in words."""
    wrong = np.where(np.arange(len(classes)) == label, -1.0, shares)
    mistaken = f"{classes[int(wrong.argmax())]} ({wrong.max():.0f} %)"
    return f"{classes[label]} {shares[label]:.0f} % correct, most often confused with {mistaken}"


@mpl.rc_context(STYLE)
def recalls(counts: np.ndarray, classes: Sequence[str]) -> Plot:
    """Plot recall of presence and absence of each class, in percent.

    The task is multi-label.

    Args:
        counts: binary confusion matrices, shape (K, 2, 2), class x label x prediction. Absence
            comes first.
        classes: K names.
    """
    support = counts.sum(axis=2)
    hits = 100.0 * np.diagonal(counts, axis1=1, axis2=2)
    shares = np.divide(hits, support, out=np.full(hits.shape, np.nan), where=support > 0)
    places = np.arange(len(classes))
    figure = Figure(figsize=(3.6, 2.7), layout="constrained")
    axes = figure.add_subplot()
    for label, (name, colour) in enumerate(zip(("absent", "present"), COLOURS, strict=True)):
        heights = places + 0.19 - 0.38 * label
        widths = np.nan_to_num(shares[:, label])
        bars = axes.barh(heights, widths, height=0.36, color=colour, label=name)
        numbers = ["none" if np.isnan(share) else f"{share:.0f}" for share in shares[:, label]]
        axes.bar_label(bars, numbers, padding=2, fontsize=SMALL)
    axes.axvline(50, color=GREY, linewidth=0.8, linestyle=":")
    axes.set(yticks=places, yticklabels=classes, xlabel="recall, %")
    axes.set(xlim=(0, 108), xticks=range(0, 101, 25))
    _top_down(axes)
    figure.legend(loc="outside upper right", ncols=2, frameon=False, fontsize=SMALL, reverse=True)
    sentences = [
        f"{name}: {_recalled(share[1], n[1], 'present')}, {_recalled(share[0], n[0], 'absent')}"
        for name, share, n in zip(classes, shares, support, strict=True)
    ]
    return _plot(figure, "; ".join(sentences) + ".")


def _recalled(share: float, n: int, presence: str) -> str:
    return f"{share:.0f} % of {n} {presence} correct" if n else f"none {presence}"


def _top_down(axes: Axes) -> None:
    """Let horizontal bars follow from top to bottom, without ticks."""
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)


@mpl.rc_context(STYLE)
def fusion_weights(
    weights: Sequence[dict[str, float]], temperatures: Sequence[dict[str, float]]
) -> Plot:
    """Plot the weight of each member of a fusion: mean over runs, and single runs.

    Args:
        weights: of each run, by member.
        temperatures: of each run of a calibrated fusion, by member. Their means stand beside the
            names.
    """
    frame = pd.DataFrame(list(weights))
    means = pd.DataFrame(list(temperatures)).mean()
    names = [f"{name}\ntemperature {means[name]:.2f}" if name in means else name for name in frame]
    texts = [_mean(values) for _, values in frame.items()]
    places = np.arange(len(names))
    offsets = np.linspace(-0.22, 0.22, len(frame)) if len(frame) > 1 else np.zeros(1)
    figure = Figure(figsize=(3.6, 0.7 + 0.55 * len(names)), layout="constrained")
    axes = figure.add_subplot()
    axes.barh(places, frame.mean(), height=0.62, color=COLOURS[0], alpha=0.35)
    beside: Looks = {"xytext": (7, 0), "textcoords": "offset points", "va": "center"}
    beside["fontsize"] = SMALL
    for place, (_, values), text in zip(places, frame.items(), texts, strict=True):
        axes.plot(values, place + offsets, ".", color=COLOURS[0], clip_on=False)
        axes.annotate(text, (values.max(), place), **beside)
    axes.set(yticks=places, yticklabels=names, xlabel="weight")
    axes.set(xlim=(0, 1), xticks=np.linspace(0, 1, 5))
    _top_down(axes)
    sentences = [
        f"{name} {text}" + (f" at temperature {means[name]:.2f}" if name in means else "")
        for name, text in zip(frame, texts, strict=True)
    ]
    return _plot(figure, f"Mean weight over {_runs(len(frame))}: {'; '.join(sentences)}.")


def _mean(values: pd.Series) -> str:
    """0.35 (0.30 to 0.40), or one number where all are the same."""
    limits = f" ({values.min():.2f} to {values.max():.2f})" if values.nunique() > 1 else ""
    return f"{values.mean():.2f}{limits}"


def _runs(count: int) -> str:
    return f"{count} run{'s' if count > 1 else ''}"


@mpl.rc_context(STYLE)
def tokens_against(systems: list[dict[str, Any]], score: str) -> Plot:
    """Plot tokens per frame against a score: how much a network may leave out.

    Args:
        systems: of each ``system``, ``protocol``, ``tokens`` (mean number in the later stages of
            the network) and ``score`` (0 to 1).
        score: its name.
    """
    frame = pd.DataFrame(systems)
    protocols, names = (list(dict.fromkeys(frame[column])) for column in ("protocol", "system"))
    figure = Figure(figsize=(3.4 * len(protocols) + 1.6, 3.2), layout="constrained")
    panels = figure.subplots(1, len(protocols), squeeze=False, sharex=True, sharey=True)[0]
    for axes, protocol in zip(panels, protocols, strict=True):
        # points may coincide: markers and a legend, no names beside them
        for k, name in enumerate(names):
            rows = frame[(frame["protocol"] == protocol) & (frame["system"] == name)]
            looks: Looks = {"marker": MARKERS[k % len(MARKERS)], "color": f"C{k}"}
            looks |= {"linestyle": "", "markersize": 5, "alpha": 0.8}
            axes.plot(rows["tokens"], 100 * rows["score"], label=name, **looks)
        axes.set(title=protocol.replace("_", " "), xlabel="tokens per frame in later stages")
        axes.set(xlim=(0, 1.1 * frame["tokens"].max()))
        axes.margins(y=0.15)
    panels[0].set_ylabel(f"{score}, %")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", frameon=False, fontsize=SMALL)
    sentences = [
        f"{row['system']}, {row['protocol'].replace('_', ' ')}: {row['tokens']:.1f} tokens,"
        f" {100 * row['score']:.1f} %"
        for row in systems
    ]
    return _plot(figure, f"{score} on test: {'; '.join(sentences)}.")


@mpl.rc_context(STYLE)
def learning_curves(histories: list[list[dict[str, float]]]) -> Plot:
    """Plot losses and, to their right, scores over epochs, a line per run.

    Args:
        histories: per run one dict per epoch: ``epoch`` (from 1) and any numbers. Names that end
            in ``loss`` are losses.
    """
    runs = [pd.DataFrame(history).set_index("epoch") for history in histories]
    names = list(dict.fromkeys(name for run in runs for name in run.select_dtypes("number")))
    losses = [name for name in names if name.endswith("loss")]
    scores = [name for name in names if not name.endswith("loss")]
    panels = [panel for panel in (losses, scores) if panel]
    figure = Figure(figsize=(3.6, 2.0), layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        colours = (COLOURS * len(panel))[: len(panel)]
        for name, colour in zip(panel, colours, strict=True):
            _curves(axes, [run[name] for run in runs if name in run], name, colour)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(frameon=False, fontsize=SMALL)
    means = pd.concat(runs).groupby(level=0).mean(numeric_only=True)
    sentences = [
        f"{name.replace('_', ' ')} {', '.join(f'{value:.3f}' for value in means[name])}"
        for name in names
    ]
    return _plot(figure, f"Mean over {_runs(len(runs))}, by epoch: {'; '.join(sentences)}.")


def _curves(axes: Axes, runs: list[pd.Series], name: str, colour: str) -> None:
    """Draw a quantity of each run. Only the first line is in the legend."""
    for k, values in enumerate(runs):
        label = None if k else name.replace("_", " ")
        marker = "." if len(values) <= FEW else ""
        axes.plot(values.index, values, color=colour, alpha=0.75, marker=marker, label=label)


@mpl.rc_context(STYLE)
def attention(
    weights: np.ndarray, present: np.ndarray, classes: Sequence[str], modalities: Sequence[str]
) -> Plot:
    """Plot the attention to each modality by class: mean and spread over utterances, in percent.

    Args:
        weights: shape (N, M), each row sums to 1.
        present: shape (N, K), 1 where an utterance is of a class.
        classes: K names.
        modalities: M names.
    """
    by_class = {
        name: 100 * weights[present[:, k] > 0]
        for k, name in enumerate(classes)
        if present[:, k].any()
    }
    means, spreads = (
        np.array([statistic(rows, axis=0) for rows in by_class.values()])
        for statistic in (np.mean, np.std)
    )
    places, height = np.arange(len(by_class)), 0.8 / len(modalities)
    figure = Figure(figsize=(3.6, 2.7), layout="constrained")
    axes = figure.add_subplot()
    colours = (COLOURS * len(modalities))[: len(modalities)]
    for m, (modality, colour) in enumerate(zip(modalities, colours, strict=True)):
        heights = places + (m - (len(modalities) - 1) / 2) * height
        looks: Looks = {"height": 0.95 * height, "color": colour, "label": modality}
        looks |= {"xerr": spreads[:, m], "error_kw": {"ecolor": "#444444", "lw": 0.8}}
        axes.barh(heights, means[:, m], **looks)
    axes.axvline(100 / len(modalities), color=GREY, linewidth=0.8, linestyle=":")
    axes.set(yticks=places, yticklabels=list(by_class), xlim=(0, 100))
    axes.set_xlabel("weight, %: mean, and standard deviation over utterances")
    _top_down(axes)
    count = len(modalities)
    figure.legend(loc="outside upper right", ncols=count, frameon=False, fontsize=SMALL)
    sentences = [
        f"{name} ({len(rows)}): {_shares(modalities, mean, spread)}"
        for (name, rows), mean, spread in zip(by_class.items(), means, spreads, strict=True)
    ]
    return _plot(figure, "; ".join(sentences) + ".")


def _shares(modalities: Sequence[str], means: np.ndarray, spreads: np.ndarray) -> str:
    values = zip(modalities, means, spreads, strict=True)
    return ", ".join(f"{modality} {mean:.0f} ± {spread:.0f} %" for modality, mean, spread in values)
