"""Pictures of the report as SVG: confusion matrices, recalls, fusion weights, learning curves; the same bytes for the same numbers."""

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
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
}
COLOURS = ("#2a5d8f", "#c0622d")
MARKS = "os^Dv<>PX*"
FEW = 12  # epochs: each has a dot


def confusion(counts: np.ndarray, classes: tuple[str, ...]) -> tuple[str, str]:
    """A confusion matrix in percent of each true class.

    Args:
        counts: shape (K, K), true x predicted.
        classes: K names.

    Returns:
        SVG, and its content in words.
    """
    support = counts.sum(axis=1, keepdims=True)
    shares = np.divide(100.0 * counts, support, out=np.zeros(counts.shape), where=support > 0)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.5, 3.2), layout="constrained")
        axes = figure.add_subplot()
        places = np.arange(len(classes))
        axes.pcolormesh(
            places,
            places,
            np.round(shares),
            cmap="Blues",
            vmin=0,
            vmax=100,
            edgecolors="white",
            linewidth=1,
            clip_on=False,
        )
        for true, predicted in np.ndindex(*shares.shape):
            colour = "white" if shares[true, predicted] > 55 else "#222222"
            axes.text(
                predicted,
                true,
                f"{shares[true, predicted]:.0f}",
                ha="center",
                va="center",
                color=colour,
                fontsize=8,
            )
        axes.set(
            xticks=range(len(classes)),
            yticks=range(len(classes)),
            yticklabels=classes,
            xlabel="predicted",
            ylabel="true",
        )
        axes.set_xticklabels(classes, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_aspect("equal")
        axes.invert_yaxis()
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        svg = svg_of(figure)
    words = []
    for k, name in enumerate(classes):
        if support[k, 0]:
            wrong = np.where(np.arange(len(classes)) == k, -1.0, shares[k])
            words.append(
                f"{name} {shares[k, k]:.0f} % right, most often taken for {classes[int(wrong.argmax())]} ({wrong.max():.0f} %)"
            )
    return svg, "; ".join(words) + "."


def recalls(counts: np.ndarray, classes: tuple[str, ...]) -> tuple[str, str]:
    """Recall of present and of absent, in percent, of classes of which several may be present at once: their binary confusion matrices.

    Args:
        counts: shape (E, 2, 2), class x true x predicted; absent comes first.
        classes: E names.

    Returns:
        SVG, and its content in words.
    """
    support = counts.sum(axis=2)
    hits = 100.0 * np.diagonal(counts, axis1=1, axis2=2)
    shares = np.divide(hits, support, out=np.full(hits.shape, np.nan), where=support > 0)
    places = np.arange(len(classes))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.6, 2.7), layout="constrained")
        axes = figure.add_subplot()
        for answer, (name, colour) in enumerate(zip(("absent", "present"), COLOURS, strict=True)):
            bars = axes.barh(
                places + 0.19 - 0.38 * answer,
                np.nan_to_num(shares[:, answer]),
                height=0.36,
                color=colour,
                label=name,
            )
            told = ["none" if np.isnan(share) else f"{share:.0f}" for share in shares[:, answer]]
            axes.bar_label(bars, told, padding=2, fontsize=7.5)
        axes.axvline(50, color="#888888", linewidth=0.8, linestyle=":")
        axes.set(
            yticks=places,
            yticklabels=classes,
            xlim=(0, 108),
            xticks=range(0, 101, 25),
            xlabel="recall, %",
        )
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
        figure.legend(loc="outside upper right", ncols=2, frameon=False, fontsize=7.5, reverse=True)
        svg = svg_of(figure)
    words = []
    for k, name in enumerate(classes):
        answers = [
            (shares[k, answer], support[k, answer], kind)
            for answer, kind in ((1, "present"), (0, "absent"))
        ]
        words.append(
            f"{name}: "
            + ", ".join(
                f"{share:.0f} % of {n} {kind} right" if n else f"none {kind}"
                for share, n, kind in answers
            )
        )
    return svg, "; ".join(words) + "."


def fusion_weights(runs: list[dict[str, dict[str, float]]]) -> tuple[str, str]:
    """The weight of each member of a fusion: a bar to the mean over runs, a dot per run (the first run on top).

    Args:
        runs: per run ``weights``, one per member; of a calibrated fusion also ``temperatures``, whose means stand beside the names.

    Returns:
        SVG, and its content in words.
    """
    weights = pd.DataFrame([run["weights"] for run in runs])
    warmth = pd.DataFrame([run["temperatures"] for run in runs if run.get("temperatures")]).mean()
    names = [
        f"{name}\ntemperature {warmth[name]:.2f}" if name in warmth else name for name in weights
    ]
    told = [_mean(values) for _, values in weights.items()]
    places, offsets = (
        np.arange(len(names)),
        np.linspace(-0.22, 0.22, len(runs)) if len(runs) > 1 else 0.0,
    )
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.6, 0.7 + 0.55 * len(names)), layout="constrained")
        axes = figure.add_subplot()
        axes.barh(places, weights.mean(), height=0.62, color=COLOURS[0], alpha=0.35)
        for place, member, text in zip(places, weights, told, strict=True):
            axes.plot(
                weights[member],
                place + np.broadcast_to(offsets, len(runs)),
                ".",
                color=COLOURS[0],
                clip_on=False,
            )
            axes.annotate(
                text,
                (weights[member].max(), place),
                xytext=(7, 0),
                textcoords="offset points",
                va="center",
                fontsize=7.5,
            )
        axes.set(
            yticks=places,
            yticklabels=names,
            xlim=(0, 1),
            xticks=np.linspace(0, 1, 5),
            xlabel="weight",
        )
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
        svg = svg_of(figure)
    words = [
        f"{name} {text}" + (f" at temperature {warmth[name]:.2f}" if name in warmth else "")
        for name, text in zip(weights, told, strict=True)
    ]
    return (
        svg,
        f"Mean weight over {len(runs)} run{'s' if len(runs) > 1 else ''}: {'; '.join(words)}.",
    )


def _mean(values: pd.Series) -> str:
    """0.35 (0.30 to 0.40), or one number where all are the same."""
    limits = f" ({values.min():.2f} to {values.max():.2f})" if values.nunique() > 1 else ""
    return f"{values.mean():.2f}{limits}"


def tokens_against(systems: list[dict[str, Any]], score: str) -> tuple[str, str]:
    """Tokens of a picture against a score: how much a network may leave out.

    Args:
        systems: of each ``system``, ``protocol``, ``tokens`` (mean of those that go into the network's later stages) and ``score`` (0-1).
        score: its name.

    Returns:
        SVG, and its content in words.
    """
    found = pd.DataFrame(systems)
    protocols, names = (list(dict.fromkeys(found[column])) for column in ("protocol", "system"))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.4 * len(protocols) + 1.6, 3.2), layout="constrained")
        panels = figure.subplots(1, len(protocols), squeeze=False, sharex=True, sharey=True)[0]
        for axes, protocol in zip(panels, protocols, strict=True):
            for number, name in enumerate(
                names
            ):  # points may lie on each other: marks and a legend, no names beside them
                rows = found[(found["protocol"] == protocol) & (found["system"] == name)]
                mark = {
                    "marker": MARKS[number % len(MARKS)],
                    "color": f"C{number}",
                    "linestyle": "",
                    "markersize": 5,
                    "alpha": 0.8,
                }
                axes.plot(rows["tokens"], 100 * rows["score"], label=name, **mark)
            axes.set(
                title=protocol.replace("_", " "),
                xlabel="tokens of a picture in later stages",
                xlim=(0, 1.1 * found["tokens"].max()),
            )
            axes.margins(y=0.15)
        panels[0].set_ylabel(f"{score}, %")
        figure.legend(
            *panels[0].get_legend_handles_labels(),
            loc="outside right upper",
            frameon=False,
            fontsize=7.5,
        )
        svg = svg_of(figure)
    words = [
        f"{row.system}, {row.protocol.replace('_', ' ')}: {row.tokens:.1f} tokens, {100 * row.score:.1f} %"
        for row in found.itertuples()
    ]
    return svg, f"{score} on test: {'; '.join(words)}."


def learning_curves(histories: list[list[dict[str, float]]]) -> tuple[str, str]:
    """Losses on the left, other quantities on the right, over epochs; a line per run.

    Args:
        histories: per run one dict per epoch: ``epoch`` (from 1) and any numbers; names that end in ``loss`` are losses. What is no
            number (lists of the same of each class) is not drawn.

    Returns:
        SVG, and its content in words.
    """
    runs = [pd.DataFrame(history).set_index("epoch") for history in histories]
    numbers = list(dict.fromkeys(name for run in runs for name in run.select_dtypes("number")))
    panels = [
        [name for name in numbers if name.endswith("loss")],
        [name for name in numbers if not name.endswith("loss")],
    ]
    panels = [panel for panel in panels if panel]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.6, 2.0), layout="constrained")
        for axes, panel in zip(
            np.atleast_1d(figure.subplots(1, len(panels), squeeze=False)[0]), panels, strict=True
        ):
            for name, colour in zip(panel, (COLOURS * len(panel))[: len(panel)], strict=True):
                for k, run in enumerate(run for run in runs if name in run):
                    mark = "." if len(run) <= FEW else ""
                    axes.plot(
                        run.index,
                        run[name],
                        color=colour,
                        alpha=0.75,
                        marker=mark,
                        label=None if k else name.replace("_", " "),
                    )
            axes.set_xlabel("epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.legend(frameon=False, fontsize=7.5)
        svg = svg_of(figure)
    means = pd.concat(runs).groupby(level=0).mean(numeric_only=True)
    words = [
        f"{name.replace('_', ' ')} {', '.join(f'{value:.3f}' for value in means[name])}"
        for name in numbers
    ]
    return (
        svg,
        f"Mean over {len(runs)} run{'s' if len(runs) > 1 else ''}, by epoch: {'; '.join(words)}.",
    )


def attention(
    weights: np.ndarray, present: np.ndarray, classes: tuple[str, ...], modalities: tuple[str, ...]
) -> tuple[str, str]:
    """How much each modality weighs in utterances of each class: mean, and standard deviation over utterances, in percent.

    Args:
        weights: shape (N, M), each row sums to 1.
        present: shape (N, K), 1 where an utterance is of a class.
        classes: K names.
        modalities: M names.

    Returns:
        SVG, and its content in words.
    """
    found = {
        name: 100 * weights[present[:, k] > 0]
        for k, name in enumerate(classes)
        if present[:, k].any()
    }
    places, height = np.arange(len(found)), 0.8 / len(modalities)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.6, 2.7), layout="constrained")
        axes = figure.add_subplot()
        for m, (modality, colour) in enumerate(
            zip(modalities, (COLOURS * len(modalities))[: len(modalities)], strict=True)
        ):
            means, spreads = (
                np.array([of(rows[:, m]) for rows in found.values()]) for of in (np.mean, np.std)
            )
            offset = (m - (len(modalities) - 1) / 2) * height
            axes.barh(
                places + offset,
                means,
                xerr=spreads,
                height=0.95 * height,
                color=colour,
                label=modality,
                error_kw={"ecolor": "#444444", "lw": 0.8},
            )
        axes.axvline(100 / len(modalities), color="#888888", linewidth=0.8, linestyle=":")
        axes.set(
            yticks=places,
            yticklabels=list(found),
            xlim=(0, 100),
            xlabel="weight, %: mean, and standard deviation over utterances",
        )
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
        figure.legend(loc="outside upper right", ncols=len(modalities), frameon=False, fontsize=7.5)
        svg = svg_of(figure)
    words = []
    for name, rows in found.items():
        shares = ", ".join(
            f"{modality} {rows[:, m].mean():.0f} ± {rows[:, m].std():.0f} %"
            for m, modality in enumerate(modalities)
        )
        words.append(f"{name} ({len(rows)}): {shares}")
    return svg, "; ".join(words) + "."
