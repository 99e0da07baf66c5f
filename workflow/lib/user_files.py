"""Files of the user as both tools see them: folders and annotations.

DVC compares their content. Snakemake compares a mark, a parameter of the rule that reads them. The
mark of a table is a digest of its content. A folder may hold 100 GB, so a start of Snakemake only
lists names, sizes and times of its files. If these are not as before, DVC says whether the content
is another one, and only then the mark changes. Marks are not in git, since times differ between
machines.

Snakemake runs all that follows a job, even if its outputs stay the same. So the jobs that read
edited files run first, in a run of their own. The run after that compares content, as DVC does.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import notes
from run_lock import IN_RUN, IN_STAGE

from merflow.origins import ABSENT

if TYPE_CHECKING:
    from plan import Plan
    from run_lock import RunLock

#: DVC's stage -> listing of its folder; mark; and "done", the mark that its artifacts were made of.
STATE = Path(".snakemake/user_files.json")
Changed = Callable[[str, str], bool]  # DVC's stage, path of its folder -> the content changed


def update(plan: "Plan", changed: Changed) -> None:
    """Bring the marks up to date, and name folders that are not on this machine.

    Args:
        plan: all stages.
        changed: asks DVC, which reads the files that are new to it.

    Raises:
        StoreError: DVC cannot tell.
    """
    running = os.environ.get(IN_STAGE)
    state = notes.read(STATE) if plan.readers else {}
    for address, path in plan.readers.items():
        if path == ABSENT:
            _say_absent(plan, address)
        elif running in (None, address):  # `dvc repro` decides on its other stages itself
            entry = state.setdefault(address, {})
            if address not in plan.folders:
                entry["mark"] = plan.files_digest(*plan.stage_at(address))
            elif entry.get("listing") != (listed := listing(plan.root / path)):
                changed_to = listed if running or changed(address, path) else entry.get("done")
                entry |= {"listing": listed, "mark": changed_to}
            if running:
                entry["done"] = entry["mark"]
    if state:
        notes.write(STATE, state)


def mark_of(address: str) -> str | None:
    """Mark of the folder that a stage of DVC copies."""
    mark: str | None = notes.read(STATE).get(address, {}).get("mark")
    return mark


def note_done(addresses: Iterable[str]) -> None:
    """Note that these stages have taken over the user's files."""
    state = notes.read(STATE)
    for address in state.keys() & set(addresses):
        state[address]["done"] = state[address]["mark"]
    if state:
        notes.write(STATE, state)


def everything(plan: "Plan", workflow: Any, run_lock: "RunLock") -> Callable[[Any], list[str]]:
    """Input function of all artifacts; a run makes those of edited files first.

    Args:
        plan: all stages.
        workflow: Snakemake's, as a Snakefile sees it.
        run_lock: of the checkout.
    """

    def inputs(_: Any) -> list[str]:
        if workflow.executor_plugin and not (workflow.dryrun or workflow.touch):
            with run_lock.while_reading() as alone:
                if alone:
                    run_first(plan, workflow.resource_settings.cores or 1)
        return list(plan.owner)

    return inputs


def run_first(plan: "Plan", cores: int) -> None:
    """Make existing artifacts of edited files again, in a run of its own.

    Args:
        plan: all stages.
        cores: number of cores.
    """
    edited = {
        address
        for address, entry in notes.read(STATE).items()
        if address in plan.readers and entry.get("mark") != entry.get("done")
    }
    corpora = {address.partition("@")[2] for address in edited if "checkpoint" not in address}
    stages = edited | {f"prepare{own}@{name}" for own in ("", "_own") for name in corpora}
    outs, _ = plan.graph
    targets = [out for stage in sorted(stages & set(outs)) for out in outs[stage]]
    if not edited or not all((plan.root / target).exists() for target in targets):
        return
    print(
        f"made first, of your edited files: {', '.join(sorted(stages & set(outs)))}",
        file=sys.stderr,
    )
    command = ["snakemake", "--nolock", "--cores", str(cores), "--", *targets]
    environment = os.environ | {IN_RUN: str(Path.cwd())}
    if subprocess.run(command, env=environment, check=False).returncode == 0:
        note_done(edited)  # an error comes again in this run, which goes on with what it can


def listed_as_before(plan: "Plan", address: str) -> bool:
    """Tell whether a stage's folder is listed as at the start of the run."""
    path = plan.folders[address]
    noted = notes.read(STATE).get(address, {}).get("listing")
    return path == ABSENT or noted == listing(plan.root / path)


def listing(folder: Path) -> str:
    """Digest of names, sizes, times and file numbers of all files below `folder`."""
    lines = "".join(f"{name}\t{facts}\n" for name, facts in sorted(_files(str(folder), "")))
    return hashlib.sha256(lines.encode(errors="surrogateescape")).hexdigest()[:16]


def _files(folder: str, below: str, above: frozenset[str] = frozenset()) -> Iterator[Any]:
    """Names and facts of files; links are followed, but to no folder above themselves."""
    real = os.path.realpath(folder)
    if real in above:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            name = f"{below}{entry.name}"
            try:
                if entry.is_dir():
                    yield from _files(entry.path, f"{name}/", above | {real})
                else:
                    stat = entry.stat()
                    yield name, f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ino}"
            except OSError as error:  # a broken link, or a file that has just gone: the step says
                yield name, str(error.errno)


def _say_absent(plan: "Plan", address: str) -> None:
    stage, point = plan.stage_at(address)
    (copy,) = [Path(out.format_map(point)) for out in stage.outs]
    name = address.partition("@")[2]
    text_alone = name in plan.annotations and not plan.annotations[name].names_clips
    if (plan.root / copy).exists() and not text_alone:
        print(
            f"{name}: its folder is not on this machine; {copy.parent} is used as it is",
            file=sys.stderr,
        )
