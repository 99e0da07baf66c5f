"""Axes of the matrices in dvc.yaml, from the lists and filters of params.yaml.

DVC's templates cannot intersect lists, so the axes are computed here and kept in workflow/matrix.json, where dvc.yaml reads them.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from merflow.errors import ParamsError
from merflow.requirements import FEATURE, inputs

MATRIX = Path("workflow/matrix.json")
Stages = Mapping[str, Any]


def stages_at(root: Path) -> dict[str, Any]:
    """Block ``stages`` of the dvc.yaml in `root`.

    Raises:
        ParamsError: no such file.
    """
    try:
        text = (root / "dvc.yaml").read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ParamsError(
            f"{error.filename}: no such file; run this in the project's folder"
        ) from error
    stages: dict[str, Any] = yaml.load(text, yaml.CSafeLoader)["stages"]
    return stages


def axes(params: Mapping[str, Any], stages: Stages) -> dict[str, Any]:
    """Values of ``${axes...}`` in dvc.yaml; a stage of which nothing is selected has empty lists.

    With all papers selected, everything is made that the lists under ``run`` name for a selected corpus. With fewer, a feature, the media
    of a corpus and the corpus itself are made where a selected system takes them. Checkpoints are always those that a selected stage takes.

    Args:
        params: params.yaml, complete and checked.
        stages: block ``stages`` of dvc.yaml.

    Raises:
        ParamsError: a selected stage takes a checkpoint that has no block.
    """
    run = params["run"]
    corpora, everything = (
        list(dict.fromkeys(run["corpora"])),
        set(run["papers"]) == set(params["papers"]),
    )
    papers = {
        paper: _systems(run[paper], corpora if paper in run["papers"] else [])
        for paper in params["papers"]
    }
    taken = {
        (corpus, path)
        for paper, groups in papers.items()
        for group, axis in groups.items()
        for corpus in axis["corpora"]
        for path in inputs(f"{paper}_{group}", stages, params)
    }

    def makes(corpus: str, feature: str) -> bool:
        return corpus in corpora and (everything or (corpus, FEATURE.format(feature)) in taken)

    features = {}
    for group, listed in run["features"].items():
        made = [
            (corpus, feature)
            for corpus in listed["corpora"]
            for feature in listed["features"]
            if makes(corpus, feature)
        ]
        features[group] = {
            "corpora": list(dict.fromkeys(corpus for corpus, _ in made)),
            "features": [
                feature
                for feature in listed["features"]
                if feature in {feature for _, feature in made}
            ],
        }
        taken |= {
            (corpus, path)
            for corpus, _ in made
            for path in inputs(f"extract_{group}", stages, params)
        }
    return {
        "corpora": [
            corpus for corpus in corpora if everything or corpus in {corpus for corpus, _ in taken}
        ],
        "media": [
            corpus
            for corpus in corpora
            if everything
            or any(c == corpus and path.startswith("data/media/") for c, path in taken)
        ],
        "checkpoints": _checkpoints(params["checkpoints"], {path for _, path in taken}),
        "features": features,
        "papers": papers,
    }


def _systems(run: Mapping[str, Any], corpora: list[str]) -> dict[str, dict[str, list[str]]]:
    """Axes of the stages of a paper on selected corpora: ``run.<paper>`` without what is switched off."""
    axes_of_groups = {}
    for group, rows in run.items():
        if isinstance(rows, dict):
            axis = {
                "corpora": [corpus for corpus in rows["corpora"] if corpus in corpora],
                "protocols": run["protocols"],
            }
            axis["systems"] = rows["systems"]
            axes_of_groups[group] = axis if all(axis.values()) else {name: [] for name in axis}
    return axes_of_groups


def _checkpoints(known: Mapping[str, Any], paths: set[str]) -> list[str]:
    """Names among `paths`, in the order of `known`."""
    names = {
        path.removeprefix("data/checkpoints/")
        for path in paths
        if path.startswith("data/checkpoints/")
    }
    for name in sorted(names - set(known)):
        raise ParamsError(
            f"params.yaml: checkpoints.{name}: missing, and a selected feature or system takes it"
        )
    return [name for name in known if name in names]


def write_matrix(root: Path, selected: Mapping[str, Any]) -> bool:
    """Bring workflow/matrix.json of the checkout at `root` up to date; return whether it had to change."""
    path, indented = root / MATRIX, json.dumps({"axes": selected}, indent=1, sort_keys=True)
    text = (
        re.sub(r"\[[^]]+\]", lambda values: json.dumps(json.loads(values[0])), indented) + "\n"
    )  # a list is a line
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return True
