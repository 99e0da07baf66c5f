"""Reservation of GPUs: the jobs of one machine take different ones.

Snakemake counts GPUs and names none, and every process would take the first one that it sees. A job
therefore locks a file per GPU. The lock lasts as long as the process, or the program that replaces
it (exec), however it ends. Under Slurm the scheduler has chosen.
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

_locks: list[IO[str]] = []  # open files: closing one ends its lock


def take(count: int) -> None:
    """Reserve GPUs for this process and its children, and wait until they are free.

    Nothing changes under a scheduler, or where a launcher has reserved them already.

    Args:
        count: number of GPUs to reserve; 0 means no reservation.

    Raises:
        ParamsError: this machine has fewer.
    """
    if not count or "SLURM_JOB_ID" in os.environ or "LOCAL_RANK" in os.environ:
        return
    names = visible()
    if len(names) < count:
        raise ParamsError(
            f"the job asks for {count} GPUs and sees {len(names)}; "
            "lower its resource gpu in the profile"
        )
    folder = Path(tempfile.gettempdir()) / f"merflow-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    locks = _lock(folder, names, count)
    if not locks:
        log.info("waiting for %d of %d GPUs", count, len(names))
    while not locks:
        time.sleep(1)
        locks = _lock(folder, names, count)
    _locks.extend(locks.values())
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(locks)


def visible() -> list[str]:
    """Names of the GPUs in CUDA_VISIBLE_DEVICES; without it, UUIDs of all."""
    if (listed := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name for name in listed.split(",") if name]
    command = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    except (OSError, subprocess.CalledProcessError):
        return []


def relaunch(count: int) -> None:
    """Replace this process by PyTorch's launcher of `count` processes with a GPU each.

    The processes run this command. Nothing happens in one of them, or where `count` is 1.
    """
    if count <= 1 or "LOCAL_RANK" in os.environ:
        return
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--no-python"]
    for file in _locks:
        os.set_inheritable(file.fileno(), True)
    os.execv(launcher[0], [*launcher, "--nproc-per-node", str(count), "--", *sys.argv])


def _lock(folder: Path, names: list[str], count: int) -> dict[str, IO[str]]:
    """Lock `count` GPUs of `names`, or none where fewer are free; name -> lock."""
    locks: dict[str, IO[str]] = {}
    file: IO[str]
    for name in names:
        file = (folder / name.replace("/", "-")).open("w")  # a slice of a GPU may have a path
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            continue
        locks[name] = file
        if len(locks) == count:
            return locks
    for file in locks.values():
        file.close()
    return {}
