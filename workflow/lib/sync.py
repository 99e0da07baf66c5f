"""Snakemake remembers by time and its own records, DVC by content: hand each other's verdict over.

``commit``: after a run, DVC is told of exactly the stages that the run brought up to date.
``reconcile``: after DVC moved files (pull, checkout, another branch), Snakemake takes over what DVC says of them.
``catch_up``: after a run that was killed, DVC is told of what it had finished.
"""

import csv
import hashlib
import io
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from run_lock import IN_RUN, IN_STAGE
from snakemake.executors import touch
from snakemake.persistence.file import FilePersistence
from stages import Plan

from merflow.errors import StoreError

touch.Executor.SLEEPING_TIME = 0  # of 0.1 s for each job: times that are equal do

SEEN = Path(
    ".snakemake/artifacts.json"
)  # artifacts as the last run left them: path -> [mtime, size]
COMMITTED = Path(
    ".snakemake/committed.json"
)  # artifacts as DVC has them, and the digest of the dvc.lock that says so
LOCK = Path("dvc.lock")
SAVED = Path(
    ".snakemake/dvc.lock"
)  # while DVC writes dvc.lock, which it does in place: as it was before


def remember(plan: Plan) -> None:
    """Note the artifacts as Snakemake leaves them; call it at the end of every run."""
    SEEN.parent.mkdir(exist_ok=True)
    _write(SEEN, _artifacts(plan))


def _write(path: Path, value: Any) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(value), encoding="utf-8")
    part.replace(path)


def _read(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return value


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def _artifacts(plan: Plan) -> dict[str, list[int]]:
    stats = {path: Path(path).stat() for path in sorted(plan.owner) if Path(path).exists()}
    return {path: [stat.st_mtime_ns, stat.st_size] for path, stat in stats.items()}


def moved(plan: Plan) -> set[str]:
    """Artifacts that are neither as the last run left them nor as Snakemake recorded them since.

    Snakemake records the time of a file when its job is done, so this holds after a kill as well. What it was making
    then bears its mark, and is made again whatever we say.
    """
    seen, records = _read(SEEN), FilePersistence(nolock=True)
    new = [path for path, stat in _artifacts(plan).items() if seen.get(path) != stat]
    made = {
        path
        for path in new
        if (record := records._read_record(path)) and record.endtime == Path(path).stat().st_mtime
    }
    return set(new) - made - records._filter_incomplete_keys(new)


def commit(plan: Plan, made: Iterable[str]) -> None:
    """Commit the stages that `made` belongs to and that are new to DVC, and no others: those may be stale.

    Raises:
        StoreError: DVC refuses, for example because an artifact is absent.
    """
    stages = {plan.address_of(path) for path in made if path in plan.owner}
    if stages and IN_STAGE not in os.environ:
        _sweep()
        with _dvc("the artifacts stand, but DVC could not commit them") as repo:
            new = stages & _new(plan, repo)
            print(f"committing {len(new)} of {len(plan.graph[0])} stages to DVC", file=sys.stderr)
            SAVED.write_bytes(LOCK.read_bytes() if LOCK.exists() else b"")
            # as `dvc commit --force`, which writes dvc.lock once for each stage that it is given
            chosen = [stage for stage in repo.index.stages if stage.addressing in {"code", *new}]
            for stage in chosen:
                stage.save()
                stage.commit()
            chosen[0].dvcfile.dump_stages(chosen, update_pipeline=False)
        SAVED.unlink()
        _note_committed(plan, stages)
    remember(plan)


def _new(plan: Plan, repo: Any) -> set[str]:
    """Stages that DVC has otherwise than they are; where none but us wrote dvc.lock, those with an artifact made since."""
    noted = _read(COMMITTED)
    if noted.get("lock") != _digest(LOCK):
        return set(repo.status())
    return {
        plan.address_of(path)
        for path, stat in _artifacts(plan).items()
        if noted["artifacts"].get(path) != stat
    }


def _note_committed(plan: Plan, stages: set[str]) -> None:
    """Note that DVC has `stages` as they are."""
    now = {path: stat for path, stat in _artifacts(plan).items() if plan.address_of(path) in stages}
    _write(
        COMMITTED, {"lock": _digest(LOCK), "artifacts": _read(COMMITTED).get("artifacts", {}) | now}
    )


@contextmanager
def _dvc(failure: str) -> Iterator[Any]:
    """DVC's repository of this checkout, locked; what it refuses is one line that begins with `failure`."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo, lock_repo

    logging.getLogger("dvc").setLevel(logging.CRITICAL)  # as --quiet
    try:
        with Repo() as repo, lock_repo(repo):
            yield repo
    except (DvcException, OSError) as error:
        reason = (str(error).strip().splitlines() or ["no reason given"])[-1]
        raise StoreError(f"{failure}: {reason}; mend that and start again") from error


def catch_up(plan: Plan) -> None:
    """Commit what Snakemake finds up to date, as the end of a run does that was not killed before.

    Raises:
        StoreError: as `commit`; or Snakemake cannot tell.
    """
    if _artifacts(plan) == _read(SEEN):  # it had finished nothing
        return
    rows = csv.DictReader(io.StringIO(_snakemake("--summary")), delimiter="\t")
    plans = {row["output_file"]: row["plan"] for row in rows}
    commit(
        plan,
        [path for path, asked in plans.items() if asked == "no update" and Path(path).exists()],
    )


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
    with _dvc("DVC cannot say what changed") as repo:
        status = repo.status()
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
    _note_committed(plan, set(outs) - dirty)
    remember(plan)
    print(
        f"artifacts were moved since the last run: {len(outs) - len(dirty)} of {len(outs)} stages are up to date by content",
        file=sys.stderr,
    )


def _outputs_changed(changes: list[Any]) -> bool:
    return any(
        "modified" in change.get("changed outs", {}).values()
        for change in changes
        if isinstance(change, dict)
    )


def _snakemake(*arguments: str) -> str:
    """What Snakemake answers, as a part of this run."""
    command, inside = (
        ["snakemake", "--quiet", "all", *arguments],
        os.environ | {IN_RUN: str(Path.cwd())},
    )
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
        intact = (
            subprocess.run(
                ["git", "diff", "--quiet", "HEAD", "--", str(LOCK)], check=False
            ).returncode
            == 0
        )
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
            shutil.rmtree(part) if part.is_dir() else part.unlink(missing_ok=True)
