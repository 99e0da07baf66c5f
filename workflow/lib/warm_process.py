"""The warm process of a run on this machine (merflow.warm).

Jobs are its forks, so they import nothing.

A run of Snakemake has its own. The stages of `dvc repro`, each a run, share one that ends with DVC.
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

#: On a machine with GPUs jobs are not forks: CUDA does not survive a fork, and jobs are long.
NVIDIA = Path("/dev/nvidiactl")
LOG = Path(".snakemake/warm.log")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def start() -> None:
    """Start the warm process, unless an earlier stage has, and tell jobs its address."""
    if NVIDIA.exists():
        return
    process = owner()
    name = f"merflow-{process.pid}-{process.create_time():.0f}"
    folder = Path(tempfile.gettempdir()) / name  # short: a socket's path has at most 107 bytes
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
            listening.bind(str(folder / "warm"))
            listening.listen(1024)  # from here on clients can connect
            _launch(listening.fileno(), process.pid)
    if folder.stat().st_uid == os.getuid():
        os.environ[ADDRESS] = str(folder / "warm")


def _launch(listening: int, owner: int) -> None:
    """Launch the process that answers at a socket.

    It does so for as long as the process `owner` lives.
    """
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("w") as log:
        subprocess.Popen(
            [sys.executable, "-m", "merflow.warm", str(listening), str(owner)],
            pass_fds=[listening],
            env=os.environ | dict.fromkeys(THREADS, "1"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # a reader of a stage's output waits until all close it
            stderr=log,
        )


def owner() -> psutil.Process:
    """Process that the warm one ends with: this one, or the `dvc repro` that started it."""
    process = psutil.Process()
    if IN_STAGE in os.environ:
        for parent in process.parents():
            with contextlib.suppress(psutil.AccessDenied):
                if IN_STAGE not in parent.environ():
                    return parent
    return process
