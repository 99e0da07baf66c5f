"""Snakemake remembers by time and its own records, DVC by content: hand each other's verdict over.

``commit``: after a run, DVC is told of exactly the stages that the run brought up to date.
``reconcile``: after DVC moved files (pull, checkout, another branch), Snakemake takes over what DVC says of them.
``catch_up``: after a run that was killed, DVC is told of what it had finished.
"""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from snakemake.persistence.file import FilePersistence
from stages import Plan
from turn import IN_RUN, IN_STAGE

from merflow.errors import StoreError

SEEN = Path(".snakemake/artifacts.json")  # artifacts as the last run left them: path -> [mtime, size]
LOCK = Path("dvc.lock")
SAVED = Path(".snakemake/dvc.lock")  # while DVC writes dvc.lock, which it does in place: as it was before


def remember(plan: Plan) -> None:
    """Note the artifacts as Snakemake leaves them; call it at the end of every run."""
    SEEN.parent.mkdir(exist_ok=True)
    part = SEEN.with_suffix(".part")
    part.write_text(json.dumps(_artifacts(plan)), encoding="utf-8")
    part.replace(SEEN)


def _artifacts(plan: Plan) -> dict[str, list[int]]:
    stats = {path: Path(path).stat() for path in sorted(plan.owner) if Path(path).exists()}
    return {path: [stat.st_mtime_ns, stat.st_size] for path, stat in stats.items()}


def _seen() -> dict[str, list[int]]:
    seen: dict[str, list[int]] = json.loads(SEEN.read_text(encoding="utf-8")) if SEEN.exists() else {}
    return seen


def moved(plan: Plan) -> set[str]:
    """Artifacts that are neither as the last run left them nor as Snakemake recorded them since.

    Snakemake records the time of a file when its job is done, so this holds after a kill as well. What it was making
    then bears its mark, and is made again whatever we say.
    """
    seen, records = _seen(), FilePersistence(nolock=True)
    new = [path for path, stat in _artifacts(plan).items() if seen.get(path) != stat]
    made = {path for path in new if (record := records._read_record(path)) and record.endtime == Path(path).stat().st_mtime}
    return set(new) - made - records._filter_incomplete_keys(new)


def commit(plan: Plan, made: Iterable[str]) -> None:
    """Commit the stages that `made` belongs to and that are new to DVC, and no others: those may be stale.

    Raises:
        StoreError: DVC refuses, for example because an artifact is absent.
    """
    stages = {plan.address_of(path) for path in made if path in plan.owner}
    if stages and IN_STAGE not in os.environ:
        _sweep()
        changed, total = set(_status()), len(plan.graph[0])  # a tenth of a second a stage
        new = changed & stages
        print(f"committing {len(new)} of {total} stages to DVC", file=sys.stderr)
        SAVED.write_bytes(LOCK.read_bytes() if LOCK.exists() else b"")
        # Without names DVC saves every stage, but dvc.lock once: 54 s for 160, by name 242 s. It pays where most are new, none stale.
        at_once = changed <= {"code", *stages} and 2 * len(new) > total
        names = [] if at_once else ["code", *sorted(new)]
        done = subprocess.run(["dvc", "commit", "--quiet", "--force", *names], capture_output=True, text=True, check=False)
        if done.returncode:
            raise StoreError(f"the artifacts stand, but DVC could not commit them: {_reason(done)}; mend that and start again")
        SAVED.unlink()
    remember(plan)


def catch_up(plan: Plan) -> None:
    """Commit what Snakemake finds up to date, as the end of a run does that was not killed before.

    Raises:
        StoreError: as `commit`; or Snakemake cannot tell.
    """
    if _artifacts(plan) == _seen():  # it had finished nothing
        return
    rows = csv.DictReader(io.StringIO(_snakemake("--summary")), delimiter="\t")
    plans = {row["output_file"]: row["plan"] for row in rows}
    commit(plan, [path for path, asked in plans.items() if asked == "no update" and Path(path).exists()])


def reconcile(plan: Plan) -> None:
    """If artifacts were moved since the last run, take over DVC's verdict on every stage.

    A stage that is unchanged by content, with everything upstream, is touched: Snakemake records its present
    parameters and inputs. Of a changed stage, moved outputs that are still those of dvc.lock are removed, as in
    `dvc repro` (DVC's cache keeps them); what Snakemake made itself it judges itself. Outputs that dvc.lock does not
    know come from an unfinished run and stay.

    Raises:
        StoreError: Snakemake cannot take it over.
    """
    if IN_STAGE in os.environ:
        return
    _mend()
    if not LOCK.exists() or not (strange := moved(plan)):
        return
    status = _status()
    outs, ups = plan.graph
    dirty = set(status) & set(outs)
    while grown := {name for name in ups if name not in dirty and ups[name] & dirty}:
        dirty |= grown
    unfinished = {name for name in dirty if _outputs_changed(status.get(name, []))}
    for name in dirty - unfinished:
        for path in strange.intersection(outs[name]):
            Path(path).unlink()
    clean = sorted(path for name in outs if name not in dirty for path in outs[name])
    if clean:
        # --forceall: a job whose times happen to be in order would otherwise get no record, and a change of its parameters no notice
        _snakemake("--touch", "--forceall", "--nolock", "--no-hooks", "--cores", "1", "--", *clean)
    remember(plan)
    print(
        f"artifacts were moved since the last run: {len(outs) - len(dirty)} of {len(outs)} stages are up to date by content",
        file=sys.stderr,
    )


def _outputs_changed(changes: list[Any]) -> bool:
    return any("modified" in change.get("changed outs", {}).values() for change in changes if isinstance(change, dict))


def _status() -> dict[str, Any]:
    """What DVC finds changed: stage -> changes."""
    done = subprocess.run(["dvc", "status", "--json"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise StoreError(f"DVC cannot say what changed: {_reason(done)}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _snakemake(*arguments: str) -> str:
    """What Snakemake answers, as a part of this run."""
    command, inside = ["snakemake", "--quiet", "all", *arguments], os.environ | {IN_RUN: str(Path.cwd())}
    done = subprocess.run(command, env=inside, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StoreError(f"Snakemake could not take over what stands: {_reason(done)}")
    return done.stdout


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    return (done.stderr.strip().splitlines() or ["no reason given"])[-1]


def _mend() -> None:
    """Put dvc.lock back if DVC was killed while writing it; stages are added to it or changed, and none is taken out."""
    if not SAVED.exists():
        return
    saved = SAVED.read_text(encoding="utf-8")
    if not _stages(saved) <= _stages(LOCK.read_text(encoding="utf-8") if LOCK.exists() else ""):
        intact = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", str(LOCK)], check=False).returncode == 0
        if not intact:  # otherwise git brought another one
            LOCK.write_text(saved, encoding="utf-8")
    elif not saved and LOCK.exists() and not _stages(LOCK.read_text(encoding="utf-8")):
        LOCK.unlink()
    SAVED.unlink()


def _stages(text: str) -> set[str]:
    try:
        return set((yaml.safe_load(text) or {}).get("stages", {}))
    except (yaml.YAMLError, AttributeError):
        return set()


def _sweep() -> None:
    """Remove what killed jobs left of files that they were writing (`merflow.store.whole`)."""
    for folder in ("data", "results"):
        for part in sorted(Path(folder).rglob(".*.part")):
            shutil.rmtree(part) if part.is_dir() else part.unlink()
