"""Results that keep their weights: ``papers.<paper>.keep_weights``, resolved for each result.

The value of a result is a parameter of its stage (``keep_weights`` in workflow/params). It is true
where weights are wanted, and where they are there already. So another value of the parameter trains
the results again that are to have weights and have none, and no others.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from merflow import paths
from merflow.corpora import schemes
from merflow.params import CheckpointParams, PapersParams
from merflow.params.systems import PaperParams
from merflow.requirements import dependencies

#: MB of the weights of a run, up to which ``small`` keeps them. Networks on features lie below, and
#: networks that fine-tune a published model lie above (tests/training/test_weight_sizes.py).
LIMIT_MB = 50

Values = dict[str, dict[str, dict[str, dict[str, bool]]]]


def values(
    params: Mapping[str, Any], axes: Mapping[str, Any], stages: Mapping[str, Any], root: Path
) -> Values:
    """Decide for each result that runs if its weights are kept.

    Args:
        params: params.yaml, complete and checked.
        axes: of the matrices (merflow.selection).
        stages: ``stages`` of dvc.yaml.
        root: the checkout.

    Returns:
        paper -> system -> corpus -> protocol -> True if they are.
    """
    kept: Values = {}
    for names, stage in results(axes):
        keep = wanted(names["paper"], names["system"], stage, params, stages)
        keep = keep or bool(size(root / paths.RESULT.format(**names)))
        of_system = kept.setdefault(names["paper"], {}).setdefault(names["system"], {})
        of_system.setdefault(names["corpus"], {})[names["protocol"]] = keep
    return kept


def results(axes: Mapping[str, Any]) -> Iterator[tuple[dict[str, str], str]]:
    """Names in the path of each result that runs, and the stage that makes it."""
    for paper, groups in axes["papers"].items():
        for group, axis in groups.items():
            points = product(axis["systems"], axis["corpora"], axis["protocols"])
            for system, corpus, protocol in points:
                names = {"paper": paper, "system": system, "corpus": corpus, "protocol": protocol}
                yield names, f"{paper}_{group}"


def wanted(
    paper: str, system: str, stage: str, params: Mapping[str, Any], stages: Mapping[str, Any]
) -> bool:
    """Tell if params.yaml asks for the weights of a system.

    Fusions and off-the-shelf models have none.
    """
    block = params["papers"][paper]
    keep = block["keep_weights"]
    if "training" not in block["systems"][system]:
        return False
    if keep in ("all", "none"):
        return bool(keep == "all")
    named = keep if isinstance(keep, list) else []
    return system in named or published_model(stage, params, stages) is None


def published_model(stage: str, params: Mapping[str, Any], stages: Mapping[str, Any]) -> str | None:
    """Name the checkpoint that the systems of a stage fine-tune, whose weights are large.

    None: they start from none, or from one of the demo's small models.
    """
    matches = (paths.names(paths.CHECKPOINT, path) for path in dependencies(stage, stages, params))
    names = [match["checkpoint"] for match in matches if match]
    return next((name for name in names if not params["checkpoints"][name].get("demo")), None)


@dataclass
class Overview:
    """Weights of the results of a paper.

    Attributes:
        results: number of results of trained systems that run.
        kept: number of these that have weights.
        megabytes: size of these weights.
        small: largest size, in MB, of the weights of small systems that the next run adds.
        large: other system -> number of runs whose weights the next run adds.
        left_out: systems that keep none.
        published: system -> size, in MB, of the published model that it fine-tunes; None: not at
            hand yet.
    """

    results: int = 0
    kept: int = 0
    megabytes: float = 0.0
    small: int = 0
    large: dict[str, int] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    published: dict[str, int | None] = field(default_factory=dict)


def overview(
    params: Mapping[str, Any], axes: Mapping[str, Any], stages: Mapping[str, Any], root: Path
) -> dict[str, Overview]:
    """Describe the weights of each paper that runs; arguments as of `values`."""
    papers: dict[str, Overview] = {}
    for names, stage in results(axes):
        paper, system = names["paper"], names["system"]
        if "training" not in params["papers"][paper]["systems"][system]:
            continue
        row = papers.setdefault(paper, Overview())
        row.results += 1
        n_bytes = size(root / paths.RESULT.format(**names))
        if model := published_model(stage, params, stages):
            row.published[system] = _megabytes(root, model, params["checkpoints"][model])
        if n_bytes:
            row.kept += 1
            row.megabytes += n_bytes / 1e6
        elif not wanted(paper, system, stage, params, stages):
            row.left_out += [system] if system not in row.left_out else []
        elif model:
            row.large[system] = row.large.get(system, 0) + _runs(names, params)
        else:
            row.small += largest(paper) * _runs(names, params)
    return papers


def largest(paper: str) -> int:
    """Largest size, in MB, of a run's weights in a paper's small systems."""
    block: type[PaperParams] = PapersParams.model_fields[paper].annotation  # type: ignore[assignment]
    return block.SMALL_MB


def _megabytes(root: Path, checkpoint: str, params: Mapping[str, Any]) -> int | None:
    """Size of a checkpoint; None: it is not at hand, or another one is."""
    folder = root / paths.CHECKPOINT.format(checkpoint=checkpoint)
    try:
        name = json.loads((folder / paths.SOURCE).read_text(encoding="utf-8"))["name"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    if name != CheckpointParams(**params).name:
        return None
    n_bytes = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    return max(1, round(n_bytes / 1e6)) if n_bytes else None


def _runs(names: Mapping[str, str], params: Mapping[str, Any]) -> int:
    """Number of runs of a result, folds x seeds; on a custom corpus at most."""
    protocol = params["papers"][names["paper"]]["protocols"][names["protocol"]]
    scheme = protocol["scheme"].get(names["corpus"], "speakers")
    return schemes.folds(names["corpus"], scheme) * len(protocol["seeds"])


def size(folder: Path) -> int:
    """Bytes of the weights in the folder of a result; 0: it has none."""
    return sum(path.stat().st_size for path in (folder / paths.WEIGHTS).glob("*"))
