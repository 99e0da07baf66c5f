"""Messages of a step: lines on stderr, and in the log file of its rule."""

import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from merflow.display import printable

T = TypeVar("T")
log = logging.getLogger("merflow")
WIDTH = 160  # of tables that go into a file or a pipe


def first_process() -> bool:
    """Tell whether this is the first or the only process of a job.

    This process logs and writes.
    """
    return os.environ.get("RANK", "0") == "0"


class _OneLine(logging.Formatter):
    """Format a message as one line, whatever the names of files in it."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return printable(super().formatMessage(record))


def configure(log_file: Path | None = None) -> None:
    """Send messages to stderr and to `log_file`."""
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if log_file is not None:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(log_file, mode="w", encoding="utf-8"))
    job = f" {log_file.stem}:" if log_file is not None else ""  # several jobs share the terminal
    for handler in handlers:
        handler.setFormatter(_OneLine(f"%(asctime)s{job} %(message)s", datefmt="%H:%M:%S"))
    log.handlers[:] = handlers
    log.setLevel(logging.INFO)
    log.propagate = False


def track(items: Iterable[T], what: str, total: int, every_s: float = 5.0) -> Iterator[T]:
    """Pass `items` through and log their number and rate from time to time.

    Lines, not a bar: several jobs share one terminal, and a line survives in a log file.

    Args:
        items: `total` items.
        what: name of the items in the message.
        total: number of items.
        every_s: time between two messages, in seconds.
    """
    start = logged = time.monotonic()
    for count, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - logged >= every_s or (count == total and now - start >= every_s):
            logged = now
            log.info("%s: %d of %d (%.0f/s)", what, count, total, count / (now - start))


def console(stderr: bool = False) -> Console:
    """Console for tables, as wide as the terminal.

    In a file or a pipe it has WIDTH columns.
    """
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else WIDTH
    return Console(width=width, stderr=stderr)
