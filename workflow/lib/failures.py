"""Errors of jobs, repeated as the last lines of a run, below Snakemake's own messages."""

import atexit
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from snakemake.exceptions import WorkflowError

from merflow.errors import ERRORS, TRACEBACK, MerflowError, of_system

FILE = Path(".snakemake/errors.txt")  # a line for each job that failed
UNKNOWN = "error: a job failed or was killed without a message; see the end of its log above"


def begin() -> None:
    """Let jobs note their errors in a file."""
    FILE.write_text("", encoding="utf-8")
    os.environ[ERRORS] = str(FILE.absolute())


def end() -> None:
    """Repeat the errors of jobs as the last lines of this process."""
    lines = FILE.read_text(encoding="utf-8").splitlines() if FILE.exists() else []
    _say_last(lines or [UNKNOWN])


def refusal(error: MerflowError) -> WorkflowError:
    """Make Snakemake's error for an error of merflow, to raise.

    Its line is the last of this process.
    """
    _say_last([f"error: {error}"])
    return WorkflowError(str(error))


@contextmanager
def one_line() -> Iterator[None]:
    """Turn errors that a user can mend, and the operating system's, into Snakemake's error."""
    try:
        yield
    except MerflowError as error:
        raise refusal(error) from None
    except OSError as error:
        if TRACEBACK in os.environ:
            raise
        raise refusal(of_system(error)) from None


def _say_last(lines: list[str]) -> None:
    atexit.register(lambda: print(*dict.fromkeys(lines), sep="\n", file=sys.stderr, flush=True))
