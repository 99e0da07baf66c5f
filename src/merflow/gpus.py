"""Whose GPU: jobs at work on one machine take different ones.

Snakemake counts GPUs but names none, and every process would take the first that it sees. A job locks as many as it may have: a lock
lasts as long as the process, or what it becomes by exec, and no longer, however it ends. Under Slurm the scheduler has chosen.
"""

import fcntl
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

from merflow.errors import ParamsError
from merflow.progress import log

_held: list[IO[str]] = []  # an open file is a lock


def take(count: int) -> None:
    """Let this process, and those that it starts, see `count` GPUs that no other job has; wait until so many are free.

    0, a scheduler, or a launcher that has done so already: everything stays as it is.

    Raises:
        ParamsError: this machine has fewer.
    """
    if not count or "SLURM_JOB_ID" in os.environ or "LOCAL_RANK" in os.environ:
        return
    there = visible()
    if len(there) < count:
        raise ParamsError(
            f"the job asks for {count} GPUs and sees {len(there)}; lower its resource gpu in the profile"
        )
    folder = Path(tempfile.gettempdir()) / f"merflow-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    told = False
    while len(free := _lock(folder, there, count)) < count:
        if not told:
            log.info("waiting for %d of %d GPUs", count, len(there))
            told = True
        time.sleep(1)
    _held.extend(free.values())
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(free)


def visible() -> list[str]:
    """GPUs as CUDA_VISIBLE_DEVICES names them: those that it lists, or else all, by UUID."""
    if (listed := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name for name in listed.split(",") if name]
    command = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    except (OSError, subprocess.CalledProcessError):
        return []


def relaunch(count: int) -> None:
    """Become `count` processes with a GPU each (PyTorch's launcher) that run this command, unless this is one of them.

    One process is not replaced.
    """
    if count > 1 and "LOCAL_RANK" not in os.environ:
        launcher = [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc-per-node",
            str(count),
            "--no-python",
            "--",
        ]
        for file in _held:
            os.set_inheritable(file.fileno(), True)
        os.execv(launcher[0], [*launcher, *sys.argv])


def _lock(folder: Path, names: list[str], count: int) -> dict[str, IO[str]]:
    """`count` of `names` with their locks; fewer, and none locked, where the others are taken."""
    found: dict[str, IO[str]] = {}
    file: IO[str]
    for name in names:
        file = (folder / name.replace("/", "-")).open(
            "w"
        )  # the part of a GPU may have a path for a name
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            continue
        found[name] = file
        if len(found) == count:
            return found
    for file in found.values():
        file.close()
    return {}
