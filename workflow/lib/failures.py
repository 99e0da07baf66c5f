"""The errors of a run's jobs, said once more as its last lines: Snakemake ends with rules and commands, not with what to do."""

import atexit
import os
import sys
from pathlib import Path

from merflow.errors import ERRORS

FILE = Path(".snakemake/errors.txt")  # a line for each job that failed


def begin() -> None:
    """Have jobs note their errors."""
    FILE.write_text("", encoding="utf-8")
    os.environ[ERRORS] = str(FILE.absolute())


def repeat() -> None:
    """Print what jobs noted when this process ends, after all that Snakemake has to say."""
    lines = FILE.read_text(encoding="utf-8").splitlines() if FILE.exists() else []
    lines = list(dict.fromkeys(lines)) or ["error: a job failed or was killed without a word; the end of its log stands above"]
    atexit.register(lambda: print(*lines, sep="\n", file=sys.stderr, flush=True))
