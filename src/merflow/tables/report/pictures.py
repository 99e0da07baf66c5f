"""Pictures of the report: which ones a result has, and under which system and protocol they stand.

Drawing is most of the work of a report, and from one report to the next few pictures change: those that were drawn before are taken from
scratch (joblib.Memory), by what they show and the code that draws them. Matplotlib is loaded only if one is new.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Memory

from merflow.errors import StoreError
from merflow.evaluation.formulas import accuracy
from merflow.evaluation.predictions import Result
from merflow.provenance import digest, versions
from merflow.records import Record, Run
from merflow.tables import SHEET, SHEET_PICTURE
from merflow.tables.render import plain, runs_anchor, runs_page

Drawn = tuple[str, str]  #: SVG, and its content in words
Draw = Callable[
    ..., Drawn
]  #: name of a function of merflow.tables.figures and its arguments -> what it draws
Files = dict[str, str | bytes]

KEPT = "256M"  # of drawn pictures; the oldest go first

#: Kind -> heading and what all pictures of it show, in the order of a page.
KINDS = {
    "tokens": (
        "Tokens kept against accuracy",
        "Each system with visual sequence compression, and the same without: how many tokens of a picture go into the later stages of the"
        " network, and the share of the test utterances that it tells right, all seeds together.",
    ),
    "confusion": (
        "Confusion matrices",
        "Test part, in percent of each true class, all seeds together.",
    ),
    "recalls": (
        "Recall of each class",
        "Test part, all seeds together: of the utterances in which a class is present, and of those in which it is absent, the share that"
        " is told right; the mean of the two is UAR, which is 50 for whoever always gives one answer (dotted line).",
    ),
    "weights": (
        "Weights of fusions",
        "Chosen on dev unless params.yaml fixes them: a bar to the mean over runs, a dot per run (fold and seed), smallest and largest in"
        " brackets.",
    ),
    "attention": (
        "Attention",
        "How much each modality weighs in test utterances of each class, all seeds together; dotted: all weigh the same.",
    ),
    "curves": ("Learning curves", "One line per run (fold and seed)."),
}


@contextmanager
def drawing(scratch: Path | None) -> Iterator[Draw]:
    """Function that draws pictures; those drawn before come from `scratch` (None: all are drawn)."""
    memory = Memory(scratch, verbose=0)
    kept, code = (
        memory.cache(_draw, ignore=["picture", "content"]),
        [digest("merflow.tables.figures"), versions("matplotlib")],
    )

    def draw(picture: str, *content: Any) -> Drawn:
        key = json.dumps([code, picture, content], default=np.ndarray.tolist)
        return kept(sha256(key.encode()).hexdigest(), picture, content)

    yield draw
    memory.reduce_size(KEPT)


def _draw(key: str, picture: str, content: tuple[Any, ...]) -> Drawn:
    """A picture, known by `key`: a digest of all that it is made of."""
    from merflow.tables import figures

    drawn: Drawn = getattr(figures, picture)(*content)
    return drawn


def pictures(results: Sequence[Result], draw: Draw, files: Files) -> list[dict[str, Any]]:
    """Draw the pictures of a paper's results on one corpus into `files`.

    Returns:
        Per kind that there is ``kind``, ``title``, ``caption`` and ``figures``, one per system: ``system``, ``href`` (its runs) and
        ``panels``, one per protocol: ``protocol``, ``src``, ``alt``, ``width`` and ``height`` in points.
    """
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for result in results:
        record = result.record
        for kind, drawn in _of(result, draw):
            name = f"figures/{record.paper}/{record.system}-{record.corpus}-{record.protocol}-{kind}.svg"
            found.setdefault(kind, {}).setdefault(record.system, []).append(
                _panel(name, drawn, files) | {"protocol": plain(record.protocol)}
            )
    told = []
    for kind, (title, caption) in KINDS.items():
        if kind == "tokens":
            figures = list(_compression(results, draw, files))
        else:
            figures = [
                {"system": system, "panels": panels}
                for system, panels in found.get(kind, {}).items()
            ]
        for figure in figures:
            figure["href"] = _runs(results[0], figure["system"])
        if figures:
            told.append({"kind": kind, "title": title, "caption": caption, "figures": figures})
    return told


def _runs(result: Result, system: str) -> str:
    page = runs_page(result.record.paper)
    return f"{page}#{runs_anchor(system, result.record.corpus)}" if system else page


def _panel(name: str, drawn: Drawn, files: Files) -> dict[str, Any]:
    svg, words = drawn
    files[name] = svg
    width, height = (
        round(float(size)) for size in re.findall(r'(?:width|height)="([\d.]+)pt"', svg)[:2]
    )
    return {"src": name, "alt": words, "width": width, "height": height}


def _of(result: Result, draw: Draw) -> Iterator[tuple[str, Drawn]]:
    """Kinds and pictures of a result."""
    record = result.record
    counts = result.counts("test").sum(axis=(0, 1))
    kind = "recalls" if counts.ndim == 3 else "confusion"  # several classes at once, or one
    yield kind, draw(kind, counts, result.classes)
    if record.attention:
        test = result.predictions[result.predictions["split"] == "test"]
        of_class = result.task.one_hot[test["true"]]
        present = of_class if of_class.ndim == 2 else of_class[..., 1]
        yield (
            "attention",
            draw(
                "attention",
                np.stack(test["attention"]),
                present,
                result.classes,
                record.attention,
            ),
        )
    if weighted := [run for run in record.runs if run.weights]:
        yield (
            "weights",
            draw(
                "fusion_weights",
                [{"weights": run.weights, "temperatures": run.temperatures} for run in weighted],
            ),
        )
    if histories := [_history(run, record) for run in record.runs if run.history]:
        yield "curves", draw("learning_curves", histories)


def _history(run: Run, record: Record) -> list[dict[str, float | None]]:
    """Losses and score of each epoch, by names that say their split."""
    split, metric = record.validation, record.selection_metric
    curves: list[dict[str, float | None]] = []
    for epoch in run.history:
        validation = {f"{split}_loss": epoch.loss, f"{split}_{metric}": epoch.score}
        measured = validation if epoch.losses else {}
        curves.append({"epoch": epoch.epoch, **measured, "train_loss": epoch.train_loss})
    return curves


def _compression(results: Sequence[Result], draw: Draw, files: Files) -> Iterator[dict[str, Any]]:
    """Tokens against accuracy, of systems that leave tokens of a picture out: one picture for all of them."""
    systems = []
    for result in results:
        counted = [sum(run.tokens) for run in result.record.runs if run.tokens is not None]
        if counted:
            right = float(accuracy(result.counts("test").sum(axis=(0, 1))))
            about = {"system": result.record.system, "protocol": result.record.protocol}
            systems.append(about | {"tokens": sum(counted) / len(counted), "score": right})
    if systems:
        record = results[0].record
        panel = _panel(
            f"figures/{record.paper}/{record.corpus}-tokens.svg",
            draw("tokens_against", systems, "accuracy"),
            files,
        )
        yield {"system": "", "panels": [panel | {"protocol": "all systems and protocols"}]}


def sheet(folder: Path, files: Files) -> dict[str, Any]:
    """What a frame sheet (merflow.tables.frame_sheet) says; its picture goes into `files`.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        told: dict[str, Any] = json.loads((folder / SHEET).read_text(encoding="utf-8"))
        told["src"] = f"figures/{told['paper']}/{told['system']}-{told['corpus']}-frames.jpg"
        files[told["src"]] = (folder / SHEET_PICTURE).read_bytes()
    except OSError as error:
        raise StoreError(
            f"{error.filename}: cannot be read ({error.strerror}); build it with `snakemake --cores 2`"
        ) from error
    return told
