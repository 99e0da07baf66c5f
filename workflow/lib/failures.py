"""Errors as the last lines of a run: what Snakemake prints after them is about rules and commands, not about what to do."""

import atexit
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from merflow.errors import ERRORS, MerflowError

FILE = Path(".snakemake/errors.txt")  # a line for each job that failed


def begin() -> None:
    """Have jobs note their errors."""
    FILE.write_text("", encoding="utf-8")
    os.environ[ERRORS] = str(FILE.absolute())


def end() -> None:
    """Repeat what jobs noted as the last lines of this process."""
    lines = FILE.read_text(encoding="utf-8").splitlines() if FILE.exists() else []
    _say_last(
        lines
        or ["error: a job failed or was killed without a word; the end of its log stands above"]
    )


def refusal(error: MerflowError) -> WorkflowError:
    """The error as Snakemake's own, to raise; its line is the last of this process."""
    _say_last([f"error: {error}"])
    return WorkflowError(str(error))


def _say_last(lines: list[str]) -> None:
    atexit.register(lambda: print(*dict.fromkeys(lines), sep="\n", file=sys.stderr, flush=True))
