"""The warm process of a run on this machine (merflow.warm): its jobs are forks of it, and need not import for seconds."""

import atexit
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from merflow.start import ADDRESS

NVIDIA = Path("/dev/nvidiactl")  # CUDA does not survive a fork; its jobs are long, and their imports nothing beside them
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def start() -> None:
    """Start it, and let jobs know; it ends with this process."""
    if NVIDIA.exists():
        return
    folder = tempfile.mkdtemp(prefix="merflow-")  # short: the path of a socket has at most 107 bytes
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    address = str(Path(folder) / "warm")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:  # from here on clients can connect
        listening.bind(address)
        listening.listen(1024)
        command = [sys.executable, "-m", "merflow.warm", str(listening.fileno())]
        process = subprocess.Popen(
            command, pass_fds=[listening.fileno()], env=os.environ | dict.fromkeys(THREADS, "1"), stdin=subprocess.DEVNULL
        )
    atexit.register(process.kill)
    os.environ[ADDRESS] = address
