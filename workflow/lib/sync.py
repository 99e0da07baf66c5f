"""Snakemake remembers by time and its own records, DVC by content: hand each other's verdict over.

``commit``: after a run, DVC is told of exactly the stages that the run brought up to date.
``reconcile``: after DVC moved files (pull, checkout, another branch), Snakemake takes over what DVC says of them.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stages import Plan

from merflow.errors import StoreError

SEEN = Path(".snakemake/artifacts.json")  # artifacts as the last run left them: path -> [mtime, size]
INSIDE = "DVC_STAGE"  # set by DVC for its stages' commands, and by reconcile for its own call of Snakemake


def _artifacts(plan: Plan) -> dict[str, list[int]]:
    found = {path: Path(path).stat() for path in sorted(plan.owner) if Path(path).exists()}
    return {path: [stat.st_mtime_ns, stat.st_size] for path, stat in found.items()}


def remember(plan: Plan) -> None:
    """Note the artifacts as Snakemake leaves them; call it at the end of every run."""
    SEEN.parent.mkdir(exist_ok=True)
    SEEN.write_text(json.dumps(_artifacts(plan)), encoding="utf-8")


def commit(plan: Plan, jobs: Iterable[Any]) -> None:
    """Commit the stages that are in this run's graph of jobs and new to DVC, and no others: those may be stale.

    Raises:
        StoreError: DVC refuses, for example because an artifact is absent.
    """
    made = sorted({plan.address_of(path) for job in jobs for path in job.output if path in plan.owner})
    if made and INSIDE not in os.environ:
        status = json.loads(subprocess.check_output(["dvc", "status", "--json"]))  # a tenth of a second a stage, a commit takes one
        new = sorted({"code", *made} & set(status))
        print(f"committing {len(set(new) & set(made))} of {len(plan.graph[0])} stages to DVC", file=sys.stderr)
        done = subprocess.run(["dvc", "commit", "--quiet", "--force", "code", *new], capture_output=True, text=True, check=False)
        if done.returncode:
            why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise StoreError(f"the artifacts stand, but DVC could not commit them: {why}; mend that, then `dvc commit --force`")
    remember(plan)


def reconcile(plan: Plan) -> None:
    """If artifacts were moved since the last run, take over DVC's verdict on every stage.

    A stage that is unchanged by content, with everything upstream, is touched: Snakemake records its present
    parameters and inputs. A changed stage whose outputs are still those of dvc.lock loses them, as in `dvc repro`
    (DVC's cache keeps them). Outputs that dvc.lock does not know come from an unfinished run and stay.
    """
    running = any(Path(".snakemake/locks").glob("*"))
    if INSIDE in os.environ or running or not Path("dvc.lock").exists():
        return
    seen = json.loads(SEEN.read_text(encoding="utf-8")) if SEEN.exists() else {}
    if seen == _artifacts(plan):
        return
    status: dict[str, Any] = json.loads(subprocess.check_output(["dvc", "status", "--json"]))
    outs, ups = plan.graph
    dirty = set(status) & set(outs)
    while grown := {name for name in ups if name not in dirty and ups[name] & dirty}:
        dirty |= grown
    unfinished = {name for name in dirty if _outputs_changed(status.get(name, []))}
    for name in dirty - unfinished:
        for path in outs[name]:
            Path(path).unlink(missing_ok=True)
    clean = sorted(path for name in outs if name not in dirty for path in outs[name])
    if clean:
        # --forceall: a job whose times happen to be in order would otherwise get no record, and a change of its parameters no notice
        command = ["snakemake", "--touch", "--forceall", "--nolock", "--cores", "1", "--quiet", "all", "--", *clean]
        touched = subprocess.run(command, env=os.environ | {INSIDE: "reconcile"}, capture_output=True, text=True, check=False)
        if touched.returncode:
            raise StoreError(
                f"Snakemake could not take over what DVC says of {len(clean)} artifacts: {touched.stderr.strip().splitlines()[-1]}"
            )
    remember(plan)
    print(
        f"artifacts were moved since the last run: {len(outs) - len(dirty)} of {len(outs)} stages are up to date by content",
        file=sys.stderr,
    )


def _outputs_changed(changes: list[Any]) -> bool:
    return any("modified" in change.get("changed outs", {}).values() for change in changes if isinstance(change, dict))
