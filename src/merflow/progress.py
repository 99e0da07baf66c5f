"""What a long step says while it works: lines on stderr, and in the rule's log file where one is given."""

import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from rich.console import Console

T = TypeVar("T")
log = logging.getLogger("merflow")
WIDTH = 160  # of tables that go into a file or a pipe


def first_process() -> bool:
    """Tell whether this is the only, or the launcher's first, process: it logs and writes."""
    return os.environ.get("RANK", "0") == "0"


def configure(log_file: Path | None = None) -> None:
    """Send messages to stderr and, where a rule has a log file, there as well."""
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if log_file is not None:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(log_file, mode="w", encoding="utf-8"))
    job = f" {log_file.stem}:" if log_file is not None else ""  # several jobs share the terminal
    for handler in handlers:
        handler.setFormatter(logging.Formatter(f"%(asctime)s{job} %(message)s", datefmt="%H:%M:%S"))
    log.handlers[:] = handlers
    log.setLevel(logging.INFO)
    log.propagate = False


def track(items: Iterable[T], what: str, total: int, every_s: float = 5.0) -> Iterator[T]:
    """Pass `items` through and say every few seconds how far it is and how fast.

    Lines, not a bar: several jobs share one terminal, and a line survives in a log file.
    """
    start = said = time.monotonic()
    for count, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - said >= every_s or (count == total and now - start >= every_s):
            said = now
            log.info("%s: %d of %d (%.0f/s)", what, count, total, count / (now - start))


def console() -> Console:
    """Where tables are printed: as wide as the terminal, and wide enough for every column in a file or a pipe."""
    return Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDTH)
