"""Pre-flight of a run: things that are missing for its jobs, before the first one.

What jobs of this run need counts, and nothing that is there already. The first stage of `dvc repro`
lists what is absent and goes on, since only DVC knows which stages follow.
"""

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import warm_process
from plan import Plan
from run_lock import IN_STAGE

from merflow import paths
from merflow.errors import MerflowError
from merflow.params import Params
from merflow.preflight import findings
from merflow.preflight.findings import Finding, Work

#: Process of the `dvc repro` whose first stage has listed what is missing.
LISTED = Path(".snakemake/preflight.json")
CLOCK_S = 10.0  # within which two times of a process's start are the same
CHECKPOINTS = Path(paths.CHECKPOINT).parts[:2]


class NotStarted(MerflowError):
    """Things without which jobs of the run would fail.

    Attributes:
        lines: a line for each.
    """

    def __init__(self, lines: list[str]) -> None:
        """Args: lines: see class."""
        super().__init__(
            "nothing was run, because jobs would fail without these things; mend them, or make "
            "what can be made without them (evaluation.allow_missing: true in params.yaml)"
        )
        self.lines = lines


def check(plan: Plan, workflow: Any, first: bool) -> None:
    """List what is missing on stderr, and refuse a run in which jobs would fail.

    With ``evaluation.allow_missing`` nothing is refused.

    Args:
        plan: all stages.
        workflow: Snakemake's, as a Snakefile sees it.
        first: False for a run inside another run.

    Raises:
        NotStarted: something is certainly missing.
    """
    if not first or workflow.touch:
        return
    in_stage = IN_STAGE in os.environ
    if in_stage and not _first_stage():
        return
    work = _absent(plan) if in_stage else _work(workflow)
    if not any(getattr(work, name) for name in ("corpora", "checkpoints", "media", "fine_tuned")):
        return
    missing = findings.find(Params.model_validate(plan.params), work, plan.root)
    allowed = in_stage or plan.params["evaluation"].get("allow_missing", False)
    lines = list(_lines(missing, allowed))
    if any(finding.certain for finding in missing) and not allowed:
        raise NotStarted(lines)
    print(*lines, sep="\n", end="\n" if lines else "", file=sys.stderr, flush=True)


def _lines(missing: Iterable[Finding], allowed: bool) -> Iterable[str]:
    for finding in missing:
        refused = finding.certain and not allowed
        yield f"{'error' if refused else 'note'}: {finding.text}"


def _first_stage() -> bool:
    """Tell whether this is the first stage of a `dvc repro` that asks."""
    process = warm_process.owner()
    pid, started = process.pid, process.create_time()
    noted = json.loads(LISTED.read_text(encoding="utf-8")) if LISTED.exists() else [0, 0.0]
    LISTED.write_text(json.dumps([pid, started]), encoding="utf-8")
    # process ids are used again, and each process reads the time of another with an error
    return bool(pid != noted[0] or abs(started - noted[1]) > CLOCK_S)


def _absent(plan: Plan) -> Work:
    """Corpora and checkpoints that are selected and not there."""
    return Work(
        corpora=[point["corpus"] for point in _absent_points(plan, "fetch")],
        checkpoints=[point["checkpoint"] for point in _absent_points(plan, "checkpoint")],
    )


def _absent_points(plan: Plan, stage: str) -> Iterable[Any]:
    for artifact, (owner, point) in plan.owner.items():
        if owner.name == stage and not (plan.root / artifact).exists():
            yield point


def _work(workflow: Any) -> Work:
    """Jobs that this run will do."""
    by_rule: dict[str, list[Any]] = {}
    for job in workflow.dag.needrun_jobs():
        by_rule.setdefault(job.rule.name, []).append(job)

    def names(rule: str, wildcard: str) -> list[str]:
        return sorted({getattr(job.wildcards, wildcard) for job in by_rule.get(rule, [])})

    training, extraction = by_rule.get("train", []), by_rule.get("extract", [])
    return Work(
        corpora=names("fetch", "corpus"),
        checkpoints=names("checkpoint", "checkpoint"),
        media=names("decode", "corpus"),
        features=sorted({(job.wildcards.corpus, job.wildcards.feature) for job in extraction}),
        fine_tuned=[
            (job.wildcards.paper, job.wildcards.system) for job in training if _fine_tunes(job)
        ],
        gpus=max((job.resources.get("gpu", 0) for job in training + extraction), default=0),
        local=workflow.local_exec,
    )


def _fine_tunes(job: Any) -> bool:
    return any(Path(path).parts[:2] == CHECKPOINTS for path in job.input)
