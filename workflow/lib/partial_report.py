"""Scores, tables and report of what a run could make, where ``evaluation.allow_missing`` permits.

In a run of everything, scores wait for all results. If jobs failed, a part of the run makes them of
the results that are up to date. A kill in between leaves the mark of a killed run, and the next
run does it again.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import sync
from plan import UNMADE, Plan
from run_lock import IN_STAGE

from merflow.errors import StoreError

RULES = {"score", "tables", "report"}
FILE = Path(".snakemake/unmade.json")


def asks_for_everything(workflow: Any) -> bool:
    """Tell whether a run was asked for all artifacts, not for some by name."""
    asked = workflow.dag_settings
    return not (asked.targets or asked.target_jobs or asked.until or asked.omit_from)


def make(plan: Plan, workflow: Any) -> str | None:
    """Make and commit the report of what a failed run made.

    Returns:
        A sentence about the report; None if it was not to be made.

    Raises:
        StoreError: the report cannot be made, or DVC cannot commit.
    """
    failed = workflow.scheduler.failed
    if not failed or workflow.scheduler._user_kill or any(job.rule.name in RULES for job in failed):
        return None  # interrupted, or the report itself failed
    if not (plan.everything() and plan.allows_missing) or IN_STAGE in os.environ:
        return None
    left = set(workflow.dag.needrun_jobs())
    unmade = sorted({path for job in left if job.rule.name not in RULES for path in job.output})
    results = [path for path in plan.results if path not in unmade and Path(path).exists()]
    made = [path for job in workflow.dag.jobs if job not in left for path in job.output]
    if results:
        _run(plan, unmade)
        made += [path for path, (stage, _) in plan.owner.items() if stage.name in RULES]
    sync.commit(plan, made)
    if not results:
        return "no result was made, so the report was not"
    n, of = len(results), len(plan.results)
    return f"report of the {n} of {of} results that were made: {_report(plan)}"


def _report(plan: Plan) -> str:
    (path,) = plan.report.outs
    return path


def _run(plan: Plan, unmade: list[str]) -> None:
    """Make scores, tables and report without artifacts that are absent or out of date."""
    FILE.write_text(json.dumps(unmade), encoding="utf-8")
    print("scores, tables and report of what was made", file=sys.stderr, flush=True)
    command = ["snakemake", "--cores", "1", "--nolock", "--no-hooks"]
    command += ["--quiet", "host", "progress", "reason", "rules", "--allowed-rules", *RULES]
    done = subprocess.run(
        [*command, "--", _report(plan)], env=os.environ | {UNMADE: str(FILE)}, check=False
    )
    if done.returncode:
        raise StoreError(
            "the report of what was made could not be made: see above, and the logs in "
            "build/logs/{score,tables,report}.log"
        )
