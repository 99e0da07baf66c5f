"""Trained systems of a checkout: those that can predict new clips, and why others cannot."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console

from merflow import kept_weights, paths, progress
from merflow.display import TextTable
from merflow.errors import ParamsError, StoreError
from merflow.evaluation.scored import Scores
from merflow.predict.check import check
from merflow.predict.models import Model, read_checkpoints, read_models, select_runs

METRIC = "uar"


@dataclass(frozen=True)
class Listed:
    """A system with results.

    Attributes:
        model: folder of its results, for ``--model``.
        corpus: it was trained on; with the origin, demo, official or folder.
        protocol: of the training.
        needs: modalities of a clip.
        uar: on test, 0 to 1; None: not scored.
        megabytes: size of the weights, with those of its members.
        problem: why it cannot predict, and what to do; None: it can.
    """

    model: str
    corpus: str
    protocol: str
    needs: list[str]
    uar: float | None
    megabytes: float
    problem: str | None


def instead_of_predictions(
    clip: Path | None, model: Path | None, checkpoints_folder: Path, as_json: bool
) -> None:
    """List the models of this checkout, where the command names no model or no clip.

    Raises:
        ParamsError: the command names only one of the two.
    """
    if model:
        raise ParamsError(f"no clip given: merflow predict CLIP --model {model}")
    show_models(list_models(Path(), checkpoints_folder), as_json)
    if clip:
        raise ParamsError(f"{clip}: not predicted; choose one of these with --model")


def list_models(root: Path, checkpoints_folder: Path) -> list[Listed]:
    """List the results in the checkout at `root`, those that can predict first."""
    checkpoints, scores = read_checkpoints(checkpoints_folder), _scores(root)
    pattern = paths.RESULT.format(paper="*", system="*", corpus="*", protocol="*")
    folders = sorted(path.parent for path in root.glob(f"{pattern}/{paths.RECORD}"))
    listed = [_listed(folder, checkpoints, scores.get(folder)) for folder in folders]
    return sorted(listed, key=lambda row: row.problem is not None)


def _listed(folder: Path, checkpoints: Mapping[str, Path], uar: float | None) -> Listed:
    try:
        models = read_models(folder)
    except StoreError as error:
        return Listed(str(folder), "", "", [], uar, 0.0, str(error))
    record = models[-1].record
    return Listed(
        model=str(folder),
        corpus=f"{record.corpus} ({record.source})",
        protocol=record.protocol,
        needs=sorted(set().union(*(model.modalities for model in models))),
        uar=uar,
        megabytes=sum(kept_weights.size(model.folder) for model in models) / 1e6,
        problem=_problem(models, checkpoints),
    )


def _problem(models: Sequence[Model], checkpoints: Mapping[str, Path]) -> str | None:
    try:
        check(models, checkpoints)
        select_runs(models, None, None)
    except StoreError as error:
        return str(error).partition(": ")[2]  # without the folder
    return None


def _scores(root: Path) -> dict[Path, float]:
    """UAR on test of each result that is scored."""
    try:
        scores = Scores.read(root / paths.SCORES).scores
    except StoreError:
        return {}
    whole = scores[["fold", "seed", "class"]].isna().all(axis=1)
    rows = scores[whole & (scores["split"] == "test") & (scores["metric"] == METRIC)]
    columns = rows[["paper", "system", "corpus", "protocol"]].to_dict("records")
    folders = [root / paths.RESULT.format(**names) for names in columns]
    return dict(zip(folders, rows["value"].tolist(), strict=True))


def show_models(models: Sequence[Listed], as_json: bool, console: Console | None = None) -> None:
    """Print the models."""
    if as_json:
        print(json.dumps({"models": [asdict(model) for model in models]}, indent=1))
        return
    console = console or progress.console()
    able = [model for model in models if model.problem is None]
    table = TextTable()
    table.add_column("--model", no_wrap=True, overflow="fold")
    for header in ("trained on", "needs", "UAR, test", "MB"):
        table.add_column(header)
    for model in able:
        uar = "" if model.uar is None else f"{100 * model.uar:.1f} %"
        table.add_row(
            model.model, model.corpus, ", ".join(model.needs), uar, f"{model.megabytes:.1f}"
        )
    if able:
        console.print(table)
    for problem, names in _by_problem(models).items():
        text = f"cannot predict: {problem}\n    {', '.join(names)}"
        console.print(text, highlight=False, soft_wrap=True, markup=False)
    console.print(f"{len(able)} of {len(models)} results can predict new clips")
    if not models:
        console.print("make some: snakemake --cores 2")


def _by_problem(models: Sequence[Listed]) -> dict[str, list[str]]:
    """Folders of the models that have a problem in common."""
    problems: dict[str, list[str]] = {}
    for model in models:
        if model.problem is not None:
            problems.setdefault(model.problem, []).append(model.model)
    return problems
