"""Entry point of `merflow`.

A job is a fork of its run's warm process, if there is one. A run starts this hundreds of times, so
only light modules of the standard library are imported.
"""

import json
import os
import socket
import sys

ADDRESS = "MERFLOW_WARM"  # environment variable: socket of the run's warm process (merflow.warm)
INTERRUPTED = 130  # exit status after Ctrl-C, as a shell gives it
KILLED = 137  # exit status of a job whose process was killed, as a shell gives it


def main() -> None:
    """Run the command line, in a fork of the warm process or in this one."""
    try:
        _run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _run() -> None:
    if (address := os.environ.get(ADDRESS)) and _fits(sys.argv):
        status = _hand_over(address)
        if status is not None:
            sys.exit(status)
    from merflow.main import main as run

    run()


def _fits(arguments: list[str]) -> bool:
    """Tell whether a fork can run the command.

    The threads and GPUs of a fork were settled by imports.
    """
    plain = {"--threads": "1", "--gpus": "0"}
    return all(
        arguments[arguments.index(name) + 1 :][:1] == [value]
        for name, value in plain.items()
        if name in arguments
    )


def _hand_over(address: str) -> int | None:
    """Run the command line in a fork of the warm process.

    Returns:
        Its exit status; None if no process listens at `address`.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(address)
        except OSError:
            return None
        folder = os.getcwd()  # noqa: PTH109 - pathlib is heavy
        request = {"arguments": sys.argv, "folder": folder, "environment": dict(os.environ)}
        socket.send_fds(connection, [b"\n"], [0, 1, 2])
        connection.sendall(json.dumps(request).encode() + b"\n")
        answer = connection.makefile("r").readline()
    return int(answer) if answer else KILLED
