"""Axes of the matrices in dvc.yaml, from the lists and filters of params.yaml.

DVC's templates cannot intersect lists. So the axes are computed here and kept in
workflow/matrix.json, where dvc.yaml reads them.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from merflow import paths
from merflow.errors import ParamsError
from merflow.origins import origins
from merflow.params import yaml_text
from merflow.requirements import dependencies, requirements_of

MATRIX = Path("workflow/matrix.json")
Stages = Mapping[str, Any]
Needed = set[tuple[str, str]]  # corpus, and a path that a stage of it depends on


def stages_at(root: Path) -> dict[str, Any]:
    """Read ``stages`` of the dvc.yaml in `root`, with ``do`` unfolded into its stage.

    Raises:
        ParamsError: no such file, or not YAML with stages.
    """
    path = root / "dvc.yaml"
    values = yaml_text.parse(yaml_text.read(path, "run this in the project's folder"), str(path))
    stages = values.get("stages") if isinstance(values, dict) else None
    if not isinstance(stages, dict):
        raise ParamsError(f"{path}: has no stages; `git checkout dvc.yaml` brings it back")
    return {name: spec.pop("do", {}) | spec for name, spec in stages.items()}


def axes(params: Mapping[str, Any], stages: Stages, root: Path = Path()) -> dict[str, Any]:
    """Compute ``${axes...}`` of dvc.yaml; a stage with nothing selected has empty lists.

    With all papers selected, everything is made that ``run`` lists for a selected corpus. With
    fewer papers, a feature, a corpus and its media are made if a selected system needs them.
    Checkpoints are always the ones that a selected stage needs.

    Args:
        params: params.yaml, complete and checked.
        stages: ``stages`` of dvc.yaml.
        root: the checkout; folders of the user are looked for from here.

    Raises:
        ParamsError: a selected stage needs a checkpoint that params.yaml does not describe.
    """
    run = params["run"]
    corpora = list(dict.fromkeys(run["corpora"]))
    everything = set(run["papers"]) == set(params["papers"])
    papers = {
        paper: _systems(run[paper], corpora if paper in run["papers"] else [])
        for paper in params["papers"]
    }
    needed: Needed = {
        (corpus, path)
        for paper, groups in papers.items()
        for group, axis in groups.items()
        for corpus in axis["corpora"]
        for path in dependencies(f"{paper}_{group}", stages, params)
    }
    features = {
        group: _features(listed, corpora, None if everything else needed)
        for group, listed in run["features"].items()
    }
    needed |= {
        (corpus, path)
        for group, axis in features.items()
        for corpus in axis["corpora"]
        for path in dependencies(f"extract_{group}", stages, params)
    }
    used = {corpus for corpus, _ in needed}
    decoded = {corpus for corpus, path in needed if paths.names(paths.MEDIUM, path)}
    made = [corpus for corpus in corpora if everything or corpus in used]
    checkpoints = _checkpoints(params["checkpoints"], {path for _, path in needed})
    return {
        "corpora": made,
        "media": [corpus for corpus in corpora if everything or corpus in decoded],
        "checkpoints": checkpoints,
        "origins": origins(params, made, checkpoints, root),
        "features": features,
        "papers": papers,
        "modalities": _modalities(params, stages),
    }


def _modalities(params: Mapping[str, Any], stages: Stages) -> dict[str, dict[str, list[str]]]:
    """Modalities that the systems of each stage need.

    Stages that are switched off are included.
    """
    return {
        paper: {
            group: sorted(requirements_of(f"{paper}_{group}", stages, params).modalities)
            for group, listed in params["run"][paper].items()
            if isinstance(listed, dict)
        }
        for paper in params["papers"]
    }


def _systems(run: Mapping[str, Any], corpora: list[str]) -> dict[str, dict[str, list[str]]]:
    """Axes of the stages of a paper on selected corpora, without what is switched off."""
    axes_of_groups = {}
    for group, listed in run.items():
        if isinstance(listed, dict):
            axis = {
                "corpora": [corpus for corpus in listed["corpora"] if corpus in corpora],
                "protocols": run["protocols"],
                "systems": listed["systems"],
            }
            axes_of_groups[group] = axis if all(axis.values()) else {name: [] for name in axis}
    return axes_of_groups


def _features(
    listed: Mapping[str, list[str]], corpora: list[str], needed: Needed | None
) -> dict[str, list[str]]:
    """Axes of the stage of a group of features.

    With `needed` None all listed features are selected.
    """

    def selected(corpus: str, feature: str) -> bool:
        path = paths.FEATURE.format(corpus="${item.corpus}", feature=feature)
        return corpus in corpora and (needed is None or (corpus, path) in needed)

    made = [
        (corpus, feature)
        for corpus in listed["corpora"]
        for feature in listed["features"]
        if selected(corpus, feature)
    ]
    made_features = {feature for _, feature in made}
    return {
        "corpora": list(dict.fromkeys(corpus for corpus, _ in made)),
        "features": [feature for feature in listed["features"] if feature in made_features],
    }


def _checkpoints(described: Mapping[str, Any], needed: set[str]) -> list[str]:
    """Names of needed checkpoints, in the order of params.yaml."""
    matches = [paths.names(paths.CHECKPOINT, path) for path in needed]
    names = {match["checkpoint"] for match in matches if match}
    for name in sorted(names - set(described)):
        raise ParamsError(
            f"params.yaml: checkpoints.{name}: missing, and a selected feature or system needs it"
        )
    return [name for name in described if name in names]


def write_matrix(root: Path, selected: Mapping[str, Any]) -> bool:
    """Bring workflow/matrix.json of a checkout up to date; return True if it changed."""
    path, indented = root / MATRIX, json.dumps({"axes": selected}, indent=1, sort_keys=True)
    # each list on a line of its own
    text = re.sub(r"\[[^]]+\]", lambda values: json.dumps(json.loads(values[0])), indented) + "\n"
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return True
