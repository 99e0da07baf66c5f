"""Entry point of `merflow`: a job goes to the warm process of its run, if there is one; all else happens here.

Only the standard library's light modules are imported here, since a run starts this hundreds of times.
"""

import json
import os
import socket
import sys

ADDRESS = "MERFLOW_WARM"  # environment variable: socket of the run's warm process (merflow.warm)
KILLED = 137  # exit status of a job whose process was killed, as a shell gives it


def main() -> None:
    """Run the command line, in a fork of the warm process or in this one."""
    if (address := os.environ.get(ADDRESS)) and _fits(sys.argv):
        status = _hand_over(address)
        if status is not None:
            sys.exit(status)
    from merflow.cli import main as run

    run()


def _fits(arguments: list[str]) -> bool:
    """Tell whether a fork can run it: threads and GPUs are settled when libraries are loaded."""
    plain = {"--threads": "1", "--gpus": "0"}
    return all(
        arguments[arguments.index(name) + 1 :][:1] == [value]
        for name, value in plain.items()
        if name in arguments
    )


def _hand_over(address: str) -> int | None:
    """Exit status of the command line in a fork of the warm process; None if nobody listens at `address`."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(address)
        except OSError:
            return None
        request = {"arguments": sys.argv, "folder": os.getcwd(), "environment": dict(os.environ)}  # noqa: PTH109 - pathlib is heavy
        socket.send_fds(connection, [b"\n"], [0, 1, 2])
        connection.sendall(json.dumps(request).encode() + b"\n")
        answer = connection.makefile("r").readline()
    return int(answer) if answer else KILLED
