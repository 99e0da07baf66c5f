"""Snakemake and DVC in forks of a process that has imported them, which halves their start.

`python forks.py FOLDER` listens at FOLDER/socket. `write_clients` writes executables that connect
there. A fork has the terminal, the folder and the environment of its client, and imports merflow
from the checkout that PYTHONPATH names.
"""

import contextlib
import gc
import json
import os
import socket
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

TOOLS = {"snakemake": "snakemake.cli", "dvc": "dvc.cli"}
#: Modules that the tools import late.
LATE = (
    "snakemake.report.html_reporter",
    "snakemake.storage",
    "smart_open",
    "yte",
    "pydantic",
    "dvc.cli.parser",
    "dvc.repo.index",
)
CLIENT = """#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect({address!r})
    socket.send_fds(connection, [b"\\n"], [0, 1, 2])
    connection.sendall(json.dumps([sys.argv, os.getcwd(), dict(os.environ)]).encode() + b"\\n")
    sys.exit(int(connection.makefile().readline()))
"""


def write_clients(folder: Path) -> None:
    """Write an executable for each tool."""
    client = CLIENT.format(python=sys.executable, address=str(folder / "socket"))
    for name in TOOLS:
        (folder / name).write_text(client)
        (folder / name).chmod(0o755)


def serve(listening: socket.socket) -> socket.socket:
    """Fork for each client, as long as the parent process lives; returns in the forks only."""
    parent = os.getppid()
    listening.settimeout(1)
    while os.getppid() == parent:
        with contextlib.suppress(ChildProcessError):  # forget forks that have ended
            os.waitpid(-1, os.WNOHANG)
        try:
            connection, _ = listening.accept()
        except TimeoutError:
            continue
        if os.fork() == 0:
            listening.close()
            connection.setblocking(True)
            return connection
        connection.close()
    sys.exit()


def tool_of(connection: socket.socket) -> Callable[[], int | None]:
    """Fork once more, as the client, and return its tool; the parent answers the exit status."""
    _, files, *_ = socket.recv_fds(connection, 1, 3)
    arguments, folder, environment = json.loads(connection.makefile().readline())
    if worker := os.fork():
        status = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
        connection.sendall(b"%d\n" % (status if status >= 0 else 128 - status))
        os._exit(0)
    connection.close()
    for target, file in enumerate(files):
        os.dup2(file, target)
        os.close(file)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = arguments
    sys.path[:1] = environment["PYTHONPATH"].split(os.pathsep)  # instead of this file's folder
    return import_module(TOOLS[Path(arguments[0]).name]).main


if __name__ == "__main__":
    for module in (*TOOLS.values(), *LATE):
        import_module(module)
    gc.freeze()  # objects made so far stay shared with the forks
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(Path(sys.argv[1]) / "socket"))
        server.listen()
        main = tool_of(serve(server))
    sys.exit(main())
