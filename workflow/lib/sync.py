"""Verdicts of Snakemake and DVC, handed to each other: one compares times, the other content.

``commit``: after a run, DVC commits exactly the stages that the run brought up to date.
``reconcile``: after DVC moved files (pull, checkout, another branch), Snakemake takes over DVC's
verdict on them.
``catch_up``: after a run that was killed, DVC commits the stages that the run finished.
"""

import csv
import hashlib
import io
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import notes
import user_files
import yaml
from plan import Plan
from run_lock import IN_RUN, IN_STAGE
from snakemake.executors import touch
from snakemake.persistence.file import FilePersistence

from merflow import preconditions
from merflow.errors import StoreError, said
from merflow.preconditions import LOCK

touch.Executor.SLEEPING_TIME = 0  # not 0.1 s after each job: equal times are fine

#: Artifacts as the last run left them: path -> [mtime, size].
SEEN = Path(".snakemake/artifacts.json")
#: Artifacts as DVC has them, and the digest of the dvc.lock that says so.
COMMITTED = Path(".snakemake/committed.json")
#: dvc.lock as it was before, while DVC writes it in place.
SAVED = Path(".snakemake/dvc.lock")


def remember(plan: Plan) -> None:
    """Note the artifacts as Snakemake leaves them; called at the end of every run."""
    SEEN.parent.mkdir(exist_ok=True)
    notes.write(SEEN, _artifacts(plan))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def _artifacts(plan: Plan) -> dict[str, list[int]]:
    stats = {path: Path(path).stat() for path in sorted(plan.owner) if Path(path).exists()}
    return {path: [stat.st_mtime_ns, stat.st_size] for path, stat in stats.items()}


def moved(plan: Plan) -> set[str]:
    """Artifacts changed since the last run without a record of Snakemake.

    Snakemake records the time of a file when its job is done, so this holds after a kill as well.
    Files that were being made bear Snakemake's mark, and are made again in any case.
    """
    seen, records = notes.read(SEEN), FilePersistence(nolock=True)
    changed = [path for path, stat in _artifacts(plan).items() if seen.get(path) != stat]
    made = {
        path
        for path in changed
        if (record := records._read_record(path)) and record.endtime == Path(path).stat().st_mtime
    }
    return set(changed) - made - records._filter_incomplete_keys(changed)


def check() -> None:
    """Let DVC say before the first job what it would refuse after the last one.

    Raises:
        CheckoutError: DVC could not commit.
    """
    if IN_STAGE not in os.environ:  # `dvc repro` has read the checkout itself
        preconditions.check_dvc(Path())


def commit(plan: Plan, made: Iterable[str]) -> None:
    """Commit the stages of artifacts that are new to DVC; other stages may be stale.

    Args:
        plan: all stages.
        made: artifacts that were brought up to date.

    Raises:
        StoreError: DVC refuses, for example because an artifact is absent.
    """
    stages = {plan.address_of(path) for path in made if path in plan.owner}
    if stages and IN_STAGE not in os.environ:
        _sweep()
        with _dvc("the artifacts are complete, but DVC could not commit them") as repo:
            new = stages & _new(plan, repo)
            edited = {stage for stage in new if plan.edited_since(stage)}
            if edited:  # DVC would note the edited files for the artifacts of the earlier ones
                listed = ", ".join(sorted(edited))
                print(f"{listed}: inputs were edited meanwhile; start again", file=sys.stderr)
            new, stages = new - edited, stages - edited
            print(f"committing {len(new)} of {len(plan.graph[0])} stages to DVC", file=sys.stderr)
            SAVED.write_bytes(LOCK.read_bytes() if LOCK.exists() else b"")
            # `dvc commit --force` would write dvc.lock once for each stage
            chosen = [stage for stage in repo.index.stages if stage.addressing in {"code", *new}]
            for stage in chosen:
                stage.save()
                stage.commit()
            chosen[0].dvcfile.dump_stages(chosen, update_pipeline=False)
        SAVED.unlink()
        _note_committed(plan, stages)
        user_files.note_done(stages)
    remember(plan)


def _new(plan: Plan, repo: Any) -> set[str]:
    """Stages that changed since DVC committed them.

    If nobody else wrote dvc.lock since, these are the stages with an artifact made since.
    """
    noted = notes.read(COMMITTED)
    if noted.get("lock") != _digest(LOCK):
        return set(repo.status())
    return {
        plan.address_of(path)
        for path, stat in _artifacts(plan).items()
        if noted["artifacts"].get(path) != stat
    }


def _note_committed(plan: Plan, stages: set[str]) -> None:
    """Note that DVC has the artifacts of `stages` as they are."""
    stats = _artifacts(plan)
    committed = {path: stat for path, stat in stats.items() if plan.address_of(path) in stages}
    artifacts = notes.read(COMMITTED).get("artifacts", {}) | committed
    notes.write(COMMITTED, {"lock": _digest(LOCK), "artifacts": artifacts})


@contextmanager
def _dvc(failure: str) -> Iterator[Any]:
    """DVC's repository of this checkout, locked; an error of DVC is one line after `failure`."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo, lock_repo

    logging.getLogger("dvc").setLevel(logging.CRITICAL)  # as --quiet
    try:
        with Repo() as repo, lock_repo(repo):
            yield repo
    except (DvcException, OSError) as error:
        raise StoreError(f"{failure}: {preconditions.refusal(error)}") from error


def catch_up(plan: Plan) -> None:
    """Commit the artifacts that Snakemake finds up to date.

    The end of the killed run would have done it.

    Raises:
        StoreError: as `commit`; or Snakemake cannot tell.
    """
    if _artifacts(plan) == notes.read(SEEN):  # the run had finished nothing
        return
    rows = csv.DictReader(io.StringIO(_snakemake("--summary")), delimiter="\t")
    updates = {row["output_file"]: row["plan"] for row in rows}
    commit(
        plan,
        [path for path, update in updates.items() if update == "no update" and Path(path).exists()],
    )


def folder_changed(stage: str, folder: str) -> bool:
    """Ask DVC whether a stage's folder is another one than in dvc.lock, by content.

    Raises:
        StoreError: DVC cannot tell.
    """
    if not LOCK.exists():
        return True
    with _dvc(f"{folder}: DVC cannot say what changed") as repo:
        print(f"{folder}: is not as before; looking for changes", file=sys.stderr)
        (dependency,) = [
            dependency
            for dependency in repo.stage.load_one("dvc.yaml", stage).deps
            if dependency.def_path == folder
        ]
        return not dependency.hash_info or bool(dependency.status())


def reconcile(plan: Plan) -> None:
    """Take over DVC's verdict on every stage, if artifacts were moved since the last run.

    A stage that is unchanged by content, with everything upstream, is touched: Snakemake records
    its present parameters and inputs. Of a changed stage, moved outputs that are still as in
    dvc.lock are removed, as in `dvc repro`, and DVC's cache keeps them. Snakemake judges itself
    what it made itself. Outputs that dvc.lock does not know come from an unfinished run and stay.

    Raises:
        CheckoutError: dvc.lock or another file of DVC is damaged.
        StoreError: Snakemake cannot take it over.
    """
    if IN_STAGE in os.environ:
        return
    _mend()
    preconditions.check_files(Path())
    if not LOCK.exists() or not (strange := moved(plan)):
        return
    with _dvc("DVC cannot say what changed") as repo:
        status = repo.status()
    outs, ups = plan.graph
    dirty = set(status) & set(outs)
    while below := {name for name in ups if name not in dirty and ups[name] & dirty}:
        dirty |= below
    unfinished = {name for name in dirty if _outputs_changed(status.get(name, []))}
    for name in dirty - unfinished:
        for path in strange.intersection(outs[name]):
            Path(path).unlink()
    clean = sorted(path for name in outs if name not in dirty for path in outs[name])
    if clean:
        # --forceall: otherwise a job whose times happen to be in order gets no record, and a
        # later change of its parameters is not noticed
        _snakemake("--touch", "--forceall", "--nolock", "--no-hooks", "--cores", "1", "--", *clean)
    _note_committed(plan, set(outs) - dirty)
    user_files.note_done(set(outs) - dirty)
    remember(plan)
    print(
        f"artifacts were moved since the last run: {len(outs) - len(dirty)} of {len(outs)} stages"
        " are up to date by content",
        file=sys.stderr,
    )


def _outputs_changed(changes: list[Any]) -> bool:
    return any(
        "modified" in change.get("changed outs", {}).values()
        for change in changes
        if isinstance(change, dict)
    )


def _snakemake(*arguments: str) -> str:
    """Output of Snakemake, run as a part of this run."""
    command = ["snakemake", "--quiet", "all", *arguments]
    environment = os.environ | {IN_RUN: str(Path.cwd())}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StoreError(
            f"Snakemake could not take over the present artifacts: {said(done.stderr)}"
        )
    return done.stdout


def _mend() -> None:
    """Restore dvc.lock if DVC was killed while writing it.

    DVC only adds and changes stages, so a lock that lost a stage is half written.
    """
    if not SAVED.exists():
        return
    saved = SAVED.read_text(encoding="utf-8")
    present = LOCK.read_text(encoding="utf-8", errors="replace") if LOCK.exists() else ""
    if not _stages(saved) <= _stages(present):
        unchanged = ["git", "diff", "--quiet", "HEAD", "--", str(LOCK)]
        if subprocess.run(unchanged, check=False).returncode:  # else git brought another one
            LOCK.write_text(saved, encoding="utf-8")
    elif not saved and LOCK.exists() and not _stages(present):
        LOCK.unlink()
    SAVED.unlink()


def _stages(text: str) -> set[str]:
    try:
        return set((yaml.safe_load(text) or {}).get("stages", {}))
    except (yaml.YAMLError, AttributeError):
        return set()


def _sweep() -> None:
    """Remove partial files that killed jobs left (`merflow.store.whole`)."""
    for folder in ("data", "results"):
        for partial_path in sorted(Path(folder).rglob(".*.part")):
            if partial_path.is_dir():
                shutil.rmtree(partial_path)
            else:
                partial_path.unlink(missing_ok=True)
