"""The warm process of a run on this machine (merflow.warm): its jobs are forks of it, and need not import for seconds.

A run of Snakemake has one of its own; the stages of `dvc repro`, a run each, share one that ends with DVC.
"""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
from run_lock import IN_STAGE

from merflow.start import ADDRESS

NVIDIA = Path(
    "/dev/nvidiactl"
)  # CUDA does not survive a fork; its jobs are long, and their imports nothing beside them
LOG = Path(".snakemake/warm.log")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def start() -> None:
    """Start it, unless a stage before has, and let jobs know."""
    if NVIDIA.exists():
        return
    owner = _owner()
    folder = (
        Path(tempfile.gettempdir()) / f"merflow-{owner.pid}-{owner.create_time():.0f}"
    )  # short: a socket's path has at most 107 bytes
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        with socket.socket(
            socket.AF_UNIX, socket.SOCK_STREAM
        ) as listening:  # from here on clients can connect
            listening.bind(str(folder / "warm"))
            listening.listen(1024)
            command = [
                sys.executable,
                "-m",
                "merflow.warm",
                str(listening.fileno()),
                str(owner.pid),
            ]
            environment, null = (
                os.environ | dict.fromkeys(THREADS, "1"),
                subprocess.DEVNULL,
            )  # whoever reads a stage's output waits for its end
            LOG.parent.mkdir(exist_ok=True)
            with LOG.open("w") as log:
                subprocess.Popen(
                    command,
                    pass_fds=[listening.fileno()],
                    env=environment,
                    stdin=null,
                    stdout=null,
                    stderr=log,
                )
    if folder.stat().st_uid == os.getuid():
        os.environ[ADDRESS] = str(folder / "warm")


def _owner() -> psutil.Process:
    """The process that the warm one ends with: this one, or the `dvc repro` that started it for a stage."""
    process = psutil.Process()
    if IN_STAGE in os.environ:
        for above in process.parents():
            with contextlib.suppress(psutil.AccessDenied):
                if IN_STAGE not in above.environ():
                    return above
    return process
