"""The step ``sheet``: the pictures of a few test clips with what a zero-shot system sees in each (weighted_late_fusion, Figure 2).

The paper shows a clip of its choice. Here a rule chooses, among the right answers and among the wrong ones alike (`choose`).
"""

import io
import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread

from merflow import artifacts
from merflow.corpora.labels import counterparts
from merflow.errors import StoreError
from merflow.evaluation.predictions import Prepared, read_result
from merflow.store import read_features, read_metadata, read_parts, write_folder
from merflow.tables import SHEET, SHEET_PICTURE
from merflow.tables.plots import COLOURS, STYLE

SHOWN = 8  # pictures of a clip at most
PAIRS = 2  # clips told right, and as many told wrong
CAPTION = (
    "A row is a test clip: what is said, its label, what {system} tells; every 10th frame (at most {shown} shown, evenly spread) with its "
    "most probable class, in bold where that is the label; and the probabilities summed over all of these frames, the label's bar in blue. "
    "Chosen by rule: clips told right and told wrong in turn, each of another label where there is one; first those with most frames "
    "({shown} or more count alike), of these the ones of which the system is surest."
)
RASTER = STYLE | {
    "font.sans-serif": ["DejaVu Sans"],
    "text.parse_math": False,
}  # the font that matplotlib carries; "$" is a dollar
TEXT, SHOT, NAMES, BARS, HEIGHT = (
    2.3,
    1.4,
    0.75,
    1.1,
    1.6,
)  # inches; names of classes stand before their bars
GREY = "#a8b0b8"


@dataclass(frozen=True)
class Shot:
    """One picture: seconds since the clip's start, its most probable class, and how probable that is."""

    time_s: float
    best: str
    probability: float


@dataclass(frozen=True)
class Clip:
    """A test clip: what was said, its label, what the system tells, its pictures.

    Attributes:
        n_pictures: how many the system saw; `shots` are at most SHOWN of them, evenly spread.
        totals: per class the sum of the probabilities of all its pictures, the paper's "cumulative" score.
    """

    utterance_id: str
    text: str
    true: str
    predicted: str
    n_pictures: int
    totals: dict[str, float]
    shots: list[Shot]

    @property
    def verdict(self) -> str:
        """joy, told as joy: right."""
        return f"{self.true}, told as {self.predicted}: {'right' if self.true == self.predicted else 'wrong'}"

    @property
    def summed(self) -> str:
        """What the totals are."""
        return f"sum over {self.n_pictures} frame{'s' if self.n_pictures > 1 else ''}"

    def words(self) -> str:
        """All that its row of the sheet shows."""
        shots = "; ".join(
            f"{shot.time_s:.1f} s {shot.best} {shot.probability:.0%}" for shot in self.shots
        )
        totals = ", ".join(
            f"{name} {total:.1f}"
            for name, total in sorted(self.totals.items(), key=lambda item: -item[1])
        )
        return f"“{self.text}” {self.verdict.capitalize()}. {shots}. {self.summed.capitalize()}: {totals}."


def write(result: Path, prepared: Path, frames: Path, store: Path, out: Path) -> None:
    """Write the sheet of a zero-shot system: sheet.jpg, and sheet.json with all that it shows in numbers and words.

    Args:
        result: results/<paper>/<system>/<corpus>-<protocol>; its first seed counts, since nothing is trained.
        prepared: data/corpora/<corpus>.
        frames: data/media/<corpus>/frames_every10.
        store: feature with the probabilities of each picture, whose columns have names of emotions.
        out: folder to write.

    Raises:
        EvaluationError: predictions do not fit the corpus.
        CheckpointError: a class has no counterpart among the columns.
        StoreError: an input cannot be read, pictures and probabilities do not belong together, or `out` cannot be written.
    """
    corpus = Prepared.read(prepared)
    found = read_result(result, {corpus.name: corpus})
    rows = found.predictions[
        (found.predictions["split"] == "test") & (found.predictions["seed"] == found.seeds[0])
    ]
    rows = rows.set_index("utterance_id").sort_index()
    places = counterparts(
        read_metadata(store, artifacts.FEATURES)["spec"]["columns"], found.classes
    )
    seen = {key: values[:, places] for key, values in read_features(store, rows.index).items()}
    seen = {key: values / values.sum(axis=1, keepdims=True) for key, values in seen.items()}
    shares = [seen[key][:, code].mean() for key, code in rows["predicted"].items()]
    chosen = choose(rows.assign(n_pictures=[len(seen[key]) for key in rows.index], share=shares))
    kept = read_parts(frames, artifacts.FRAMES, list(chosen.index))
    texts = corpus.utterances["text"].fillna("")
    clips, pictures = [], []
    for key, row in chosen.iterrows():
        album, values = kept[kept["utterance_id"] == key], seen[key]
        if len(album) != len(values):
            raise StoreError(
                f"{store}: {key} has {len(values)} rows, {frames} {len(album)} pictures; delete the store and run again"
            )
        at = np.linspace(0, len(values) - 1, min(SHOWN, len(values))).round().astype(int)
        shots = [
            Shot(
                float(album["time_s"].iloc[k]),
                found.classes[values[k].argmax()],
                float(values[k].max()),
            )
            for k in at
        ]
        totals = dict(zip(found.classes, map(float, values.sum(axis=0)), strict=True))
        true, predicted = (found.classes[row[column]] for column in ("true", "predicted"))
        clips.append(Clip(key, texts[key], true, predicted, len(values), totals, shots))
        pictures.append([_decode(frames, key, album["values"].iloc[k]) for k in at])
    about = {name: getattr(found.record, name) for name in ("paper", "system", "corpus")}
    about["caption"] = CAPTION.format(shown=SHOWN, system=about["system"])
    about["clips"] = [asdict(clip) | {"words": clip.words()} for clip in clips]
    write_folder(
        out,
        {
            SHEET_PICTURE: draw(clips, pictures),
            SHEET: json.dumps(about, indent=1, ensure_ascii=False) + "\n",
        },
    )


def _decode(frames: Path, key: str, data: bytes) -> np.ndarray:
    try:
        return imread(io.BytesIO(data), format="jpg")
    except OSError as error:
        raise StoreError(
            f"{frames}: {key}: a picture is not readable as JPEG; delete the folder and run again"
        ) from error


def choose(rows: pd.DataFrame) -> pd.DataFrame:
    """Of `rows` PAIRS times one told right and one told wrong, in this order, each of another true class where there is one.

    Those with SHOWN pictures or more come first, then the ones with more; among them those of which the system is surest.

    Args:
        rows: true, predicted, n_pictures, and share, the mean probability of what is predicted; by utterance id.
    """
    order = rows.assign(shown=rows["n_pictures"].clip(upper=SHOWN)).sort_values(
        ["shown", "share"], ascending=False, kind="stable"
    )
    right = order["true"] == order["predicted"]
    chosen: list[Any] = []
    for wanted in (True, False) * PAIRS:
        left = order[(right == wanted) & ~order.index.isin(chosen)]
        others = left[~left["true"].isin(order.loc[chosen, "true"])]
        chosen += list((others if len(others) else left).index[:1])
    return order.loc[chosen]


def draw(clips: Sequence[Clip], pictures: Sequence[Sequence[np.ndarray]]) -> bytes:
    """The sheet as JPEG, the same bytes for the same clips: a row per clip, its words, its pictures, its sums.

    Args:
        clips: K clips.
        pictures: of each the pictures of its shots, (height, width, 3) of uint8.
    """
    columns = max(map(len, pictures))
    widths = [TEXT, *[SHOT] * columns, NAMES, BARS]
    with mpl.rc_context(RASTER):
        figure = Figure(figsize=(sum(widths), HEIGHT * len(clips)), dpi=120)
        margins = {
            "left": 0.01,
            "right": 0.98,
            "top": 0.96,
            "bottom": 0.06,
            "wspace": 0.06,
            "hspace": 0.35,
        }
        grid = figure.add_gridspec(len(clips), len(widths), width_ratios=widths, **margins)
        for row, (clip, album) in enumerate(zip(clips, pictures, strict=True)):
            _say(figure.add_subplot(grid[row, 0]), clip)
            for column, (shot, picture) in enumerate(zip(clip.shots, album, strict=True), start=1):
                _show(figure.add_subplot(grid[row, column]), shot, picture, shot.best == clip.true)
            _sum(figure.add_subplot(grid[row, -1]), clip)
        out = io.BytesIO()
        FigureCanvasAgg(figure).print_jpg(out, pil_kwargs={"quality": 85, "optimize": True})
    return out.getvalue()


def _say(axes: Axes, clip: Clip) -> None:
    axes.axis("off")
    lines = textwrap.wrap(f"“{clip.text}”", 30, max_lines=5, placeholder=" …")
    axes.text(0, 1, "\n".join(lines), va="top", transform=axes.transAxes)
    axes.text(
        0,
        0,
        clip.verdict.replace(", ", ",\n"),
        va="bottom",
        fontweight="bold",
        transform=axes.transAxes,
    )


def _show(axes: Axes, shot: Shot, picture: np.ndarray, right: bool) -> None:
    axes.imshow(picture)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    colour, weight = (COLOURS[0], "bold") if right else ("#222222", "normal")
    axes.set_title(f"{shot.time_s:.1f} s", fontsize=7.5, pad=2)
    axes.set_xlabel(
        f"{shot.best} {shot.probability:.0%}",
        fontsize=8,
        color=colour,
        fontweight=weight,
        labelpad=2,
    )


def _sum(axes: Axes, clip: Clip) -> None:
    bars = axes.barh(
        list(clip.totals),
        list(clip.totals.values()),
        color=[COLOURS[0] if name == clip.true else GREY for name in clip.totals],
    )
    axes.bar_label(bars, fmt="%.1f", padding=2, fontsize=7)
    axes.invert_yaxis()
    axes.set(xticks=[], xlim=(0, 1.2 * max(clip.totals.values())))
    axes.set_title(clip.summed, fontsize=7.5, pad=2)
    axes.tick_params(length=0, labelsize=7.5)
    axes.spines["bottom"].set_visible(False)
