"""Errors of jobs, repeated as the last lines of a run, below Snakemake's own messages."""

import atexit
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from merflow.errors import ERRORS, TRACEBACK, MerflowError, of_system

FILE = Path(".snakemake/errors.txt")  # a line for each job that failed
MENDABLE = (MerflowError, OSError)  # errors that are one line
UNKNOWN = "error: a job failed or was killed without a message; see the end of its log above"


def begin() -> None:
    """Let jobs note their errors in a file."""
    FILE.write_text("", encoding="utf-8")
    os.environ[ERRORS] = str(FILE.absolute())


def end() -> None:
    """Repeat the errors of jobs as the last lines of this process."""
    lines = FILE.read_text(encoding="utf-8").splitlines() if FILE.exists() else []
    _say_last(lines or [UNKNOWN])


def refusal(error: Exception) -> WorkflowError:
    """Make Snakemake's error for an error of MENDABLE, to raise.

    Its line is the last of this process.
    """
    if isinstance(error, OSError):
        if TRACEBACK in os.environ:
            raise error
        error = of_system(error)
    _say_last([f"error: {error}"])
    return WorkflowError(str(error))


def _say_last(lines: list[str]) -> None:
    atexit.register(lambda: print(*dict.fromkeys(lines), sep="\n", file=sys.stderr, flush=True))
