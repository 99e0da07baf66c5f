"""The step ``sheet``: frames of a few test clips with zero-shot predictions.

It follows weighted_late_fusion, Figure 2. The paper shows a clip of its choice. Here a rule chooses
among correct and wrong predictions alike (`choose`).
"""

import io
import json
import textwrap
from collections.abc import Mapping, Sequence
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
from merflow.evaluation.predictions import Prepared, Result, read_result
from merflow.paths import SHEET_INDEX
from merflow.store import read_features, read_media, read_metadata, write_folder
from merflow.tables import SHEET_IMAGE
from merflow.tables.plots import COLOURS, STYLE

MOST = 8  # frames of a clip
PAIRS = 2  # clips with a correct prediction, and as many with a wrong one
CAPTION = (
    "A row is a test clip: its text, its label and the prediction of {system}. Every 10th frame (at"
    " most {most}, evenly spread) stands above its most probable class, in bold where that is the"
    " label. Bars are sums of the probabilities over all these frames, in blue for the label."
    " Clips with correct and wrong predictions alternate, with different labels where possible."
    " Clips with most frames come first ({most} or more count alike), among them those with the"
    " highest probability of the predicted class."
)
#: The font that matplotlib carries.
RASTER = STYLE | {"font.sans-serif": ["DejaVu Sans"]}
# widths and height of a row in inches; class names stand before their bars
TEXT, SHOT, NAMES, BARS, HEIGHT = 2.3, 1.4, 0.75, 1.1, 1.6
MARGINS = {
    "left": 0.01,
    "right": 0.98,
    "top": 0.96,
    "bottom": 0.06,
    "wspace": 0.06,
    "hspace": 0.35,
}
GREY = "#a8b0b8"


@dataclass(frozen=True)
class Shot:
    """A frame: seconds since the clip's start, its most probable class, and the probability."""

    time_s: float
    best: str
    probability: float


@dataclass(frozen=True)
class Clip:
    """A test clip.

    Attributes:
        utterance_id: of the clip.
        text: of the utterance.
        label: of the utterance.
        predicted: class that the system predicts.
        n_frames: number of frames that the system saw.
        totals: class -> sum of its probabilities over all frames, the paper's "cumulative" score.
        shots: at most MOST of the frames, evenly spread.
    """

    utterance_id: str
    text: str
    label: str
    predicted: str
    n_frames: int
    totals: dict[str, float]
    shots: list[Shot]

    @property
    def verdict(self) -> str:
        """joy, predicted joy: correct."""
        correct = "correct" if self.label == self.predicted else "wrong"
        return f"{self.label}, predicted {self.predicted}: {correct}"

    @property
    def summed(self) -> str:
        """Heading of the totals."""
        return f"sum over {self.n_frames} frame{'s' if self.n_frames > 1 else ''}"

    def words(self) -> str:
        """Content of its row of the sheet."""
        shots = "; ".join(
            f"{shot.time_s:.1f} s {shot.best} {shot.probability:.0%}" for shot in self.shots
        )
        ordered = sorted(self.totals.items(), key=lambda item: -item[1])
        totals = ", ".join(f"{name} {total:.1f}" for name, total in ordered)
        heading = f"“{self.text}” {self.verdict.capitalize()}."
        return f"{heading} {shots}. {self.summed.capitalize()}: {totals}."


def write(result: Path, prepared: Path, frames: Path, store: Path, out: Path) -> None:
    """Write the sheet of a zero-shot system as sheet.jpg, and its content as sheet.json.

    Args:
        result: results/<paper>/<system>/<corpus>-<protocol>. Its first seed counts, since nothing
            is trained.
        prepared: data/corpora/<corpus>.
        frames: data/media/<corpus>/frames_every10.
        store: feature with the class probabilities of each frame, whose columns are class names.
        out: folder to write.

    Raises:
        EvaluationError: predictions do not fit the corpus.
        CheckpointError: a class has no counterpart among the columns.
        StoreError: an input cannot be read, frames and probabilities do not belong together, or
            `out` cannot be written.
    """
    corpus = Prepared.read(prepared)
    predictions = read_result(result, {corpus.name: corpus})
    rows = _test_rows(predictions)
    probabilities = _probabilities(store, rows.index, predictions.classes)
    chosen = choose(_with_scores(rows, probabilities))
    stored = read_media(frames, artifacts.FRAMES, list(chosen.index))
    texts = corpus.utterances["text"].fillna("")
    clips, images = [], []
    for key, row in chosen.iterrows():
        of_clip, values = stored[stored["utterance_id"] == key], probabilities[key]
        if len(of_clip) != len(values):
            raise StoreError(
                f"{store}: {key} has {len(values)} rows, but {frames} has {len(of_clip)} frames;"
                " delete the store and run again"
            )
        clips.append(_clip(row, texts[key], of_clip["time_s"], values, predictions.classes))
        files = of_clip["values"].iloc[_places(len(of_clip))]
        images.append([_image(frames, key, data) for data in files])
    record = predictions.record
    content = {
        "paper": record.paper,
        "system": record.system,
        "corpus": record.corpus,
        "caption": CAPTION.format(most=MOST, system=record.system),
        "clips": [asdict(clip) | {"words": clip.words()} for clip in clips],
    }
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    write_folder(out, {SHEET_IMAGE: draw(clips, images), SHEET_INDEX: text})


def _test_rows(result: Result) -> pd.DataFrame:
    """Predictions of the first seed on the test split, by utterance id."""
    rows = result.predictions
    rows = rows[(rows["split"] == "test") & (rows["seed"] == result.seeds[0])]
    return rows.set_index("utterance_id").sort_index()


def _probabilities(
    store: Path, ids: Sequence[str], classes: Sequence[str]
) -> dict[str, np.ndarray]:
    """Utterance id -> probabilities of its frames, shape (n_frames, K)."""
    columns = read_metadata(store, artifacts.FEATURES)["spec"]["columns"]
    places = counterparts(columns, classes)
    values = {key: array[:, places] for key, array in read_features(store, ids).items()}
    return {key: array / array.sum(axis=1, keepdims=True) for key, array in values.items()}


def _with_scores(rows: pd.DataFrame, probabilities: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Add n_frames, and the mean probability of the predicted class."""
    means = [probabilities[key][:, code].mean() for key, code in rows["predicted"].items()]
    lengths = [len(probabilities[key]) for key in rows.index]
    return rows.assign(n_frames=lengths, probability=means)


def _clip(
    row: pd.Series, text: str, times: pd.Series, values: np.ndarray, classes: Sequence[str]
) -> Clip:
    """Make a clip of its prediction and the probabilities of its frames."""
    label, predicted = (classes[row[column]] for column in ("label", "predicted"))
    totals = dict(zip(classes, map(float, values.sum(axis=0)), strict=True))
    places = _places(len(values))
    shots = [
        Shot(float(time), classes[shares.argmax()], float(shares.max()))
        for time, shares in zip(times.iloc[places], values[places], strict=True)
    ]
    return Clip(str(row.name), text, label, predicted, len(values), totals, shots)


def _places(n_frames: int) -> np.ndarray:
    """Places of the frames that are shown, evenly spread."""
    return np.linspace(0, n_frames - 1, min(MOST, n_frames)).round().astype(int)


def _image(frames: Path, key: str, data: bytes) -> np.ndarray:
    try:
        return imread(io.BytesIO(data), format="jpg")
    except OSError as error:
        raise StoreError(
            f"{frames}: {key}: a frame is not readable as JPEG; delete the folder and run again"
        ) from error


def choose(rows: pd.DataFrame) -> pd.DataFrame:
    """Choose PAIRS times a correct and a wrong prediction, with different labels where possible.

    Clips with MOST frames or more come first, then by number of frames. Among equals the highest
    probability of the predicted class comes first.

    Args:
        rows: by utterance id: label, predicted, n_frames, and probability, the mean probability of
            the predicted class.
    """
    order = rows.assign(capped=rows["n_frames"].clip(upper=MOST))
    order = order.sort_values(["capped", "probability"], ascending=False, kind="stable")
    correct = order["label"] == order["predicted"]
    chosen: list[Any] = []
    for wanted in (True, False) * PAIRS:
        left = order[(correct == wanted) & ~order.index.isin(chosen)]
        new_label = left[~left["label"].isin(order.loc[chosen, "label"])]
        chosen += list((new_label if len(new_label) else left).index[:1])
    return order.loc[chosen]


@mpl.rc_context(RASTER)
def draw(clips: Sequence[Clip], images: Sequence[Sequence[np.ndarray]]) -> bytes:
    """Draw the sheet as JPEG, the same bytes for the same clips.

    Args:
        clips: K clips, a row each.
        images: per clip the images of its shots, (height, width, 3) of uint8.
    """
    widths = [TEXT, *[SHOT] * max(map(len, images)), NAMES, BARS]
    figure = Figure(figsize=(sum(widths), HEIGHT * len(clips)), dpi=120)
    grid = figure.add_gridspec(len(clips), len(widths), width_ratios=widths, **MARGINS)
    for row, (clip, album) in enumerate(zip(clips, images, strict=True)):
        _draw_text(figure.add_subplot(grid[row, 0]), clip)
        for column, (shot, image) in enumerate(zip(clip.shots, album, strict=True), start=1):
            _draw_shot(figure.add_subplot(grid[row, column]), shot, image, clip.label)
        _draw_totals(figure.add_subplot(grid[row, -1]), clip)
    out = io.BytesIO()
    FigureCanvasAgg(figure).print_jpg(out, pil_kwargs={"quality": 85, "optimize": True})
    return out.getvalue()


def _draw_text(axes: Axes, clip: Clip) -> None:
    axes.axis("off")
    lines = textwrap.wrap(f"“{clip.text}”", 30, max_lines=5, placeholder=" …")
    axes.text(0, 1, "\n".join(lines), va="top", transform=axes.transAxes)
    verdict = clip.verdict.replace(", ", ",\n")
    axes.text(0, 0, verdict, va="bottom", fontweight="bold", transform=axes.transAxes)


def _draw_shot(axes: Axes, shot: Shot, image: np.ndarray, label: str) -> None:
    axes.imshow(image)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.set_title(f"{shot.time_s:.1f} s", fontsize=7.5, pad=2)
    looks: dict[str, Any] = {"fontsize": 8, "labelpad": 2, "color": "#222222"}
    if shot.best == label:
        looks |= {"color": COLOURS[0], "fontweight": "bold"}
    axes.set_xlabel(f"{shot.best} {shot.probability:.0%}", **looks)


def _draw_totals(axes: Axes, clip: Clip) -> None:
    colours = [COLOURS[0] if name == clip.label else GREY for name in clip.totals]
    bars = axes.barh(list(clip.totals), list(clip.totals.values()), color=colours)
    axes.bar_label(bars, fmt="%.1f", padding=2, fontsize=7)
    axes.invert_yaxis()
    axes.set(xticks=[], xlim=(0, 1.2 * max(clip.totals.values())))
    axes.set_title(clip.summed, fontsize=7.5, pad=2)
    axes.tick_params(length=0, labelsize=7.5)
    axes.spines["bottom"].set_visible(False)
