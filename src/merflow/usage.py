"""Time and memory of a job, measured by itself: Snakemake would measure its shell, and a fork of merflow.warm is not below it."""

import resource
import time
from pathlib import Path

KIB_PER_MIB = 1024  # ru_maxrss is in KiB

_start = time.monotonic()


def begin() -> None:
    """Count seconds from now: a fork of the warm process is younger than its modules."""
    global _start
    _start = time.monotonic()


def write(path: Path) -> None:
    """Write a TSV with columns s, max_rss (MiB) and cpu_time (s), of this process and the ended ones that it started."""
    processes = [
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    cpu = sum(one.ru_utime + one.ru_stime for one in processes)
    memory = max(one.ru_maxrss for one in processes) / KIB_PER_MIB
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"s\tmax_rss\tcpu_time\n{time.monotonic() - _start:.3f}\t{memory:.1f}\t{cpu:.2f}\n",
        encoding="utf-8",
    )
