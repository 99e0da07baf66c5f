"""Run of the command line; an error of the user ends it as one line."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from merflow.cli import app
from merflow.display import printable
from merflow.errors import TRACEBACK, MerflowError, of_system, reason


def main() -> None:
    """Run the command line.

    An error that a user can mend is printed as one line, and the exit status is 1. So is an error
    of the operating system. With MERFLOW_TRACEBACK in the environment it keeps its traceback. The
    log of the job ends with the error.
    """
    try:
        try:
            app(prog_name="merflow")
        finally:
            sys.stdout.flush()  # here a closed pipe or a full disk can still be said in a line
    except MerflowError as error:
        _refuse(error)
    except BrokenPipeError:  # a reader such as `head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if TRACEBACK in os.environ:
            raise
        _refuse(of_system(error))
    except Exception as error:
        _append_to_log(f"error: {type(error).__name__}: {reason(error)}; this is a bug of merflow")
        raise


def _refuse(error: MerflowError) -> NoReturn:
    """Print an error as one line, end the job's log with it, exit."""
    message = printable(f"error: {error}")  # one line, whatever the names in it
    print(message, file=sys.stderr)
    _append_to_log(message)
    sys.exit(1)


def _append_to_log(line: str) -> None:
    """End the log of this job with a line; every process of the job may."""
    log = dict(zip(sys.argv, sys.argv[1:], strict=False)).get("--log")
    if log and Path(log).parent.exists():
        with suppress(OSError), Path(log).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
