"""Time and memory of a job, measured by the job itself.

Snakemake measures the processes below a job's shell, and a fork of merflow.warm is not below it.
"""

import resource
import time
from pathlib import Path

KIB_PER_MIB = 1024  # ru_maxrss is in KiB

_start = time.monotonic()


def begin() -> None:
    """Count seconds from now: a fork of the warm process is younger than its imports."""
    global _start
    _start = time.monotonic()


def write(path: Path) -> None:
    """Write a TSV with columns s, max_rss (MiB) and cpu_time (s).

    Memory and CPU time include processes that this process started and that have ended.
    """
    processes = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    usages = [resource.getrusage(who) for who in processes]
    seconds = time.monotonic() - _start
    memory = max(usage.ru_maxrss for usage in usages) / KIB_PER_MIB
    cpu = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    path.parent.mkdir(parents=True, exist_ok=True)
    row = f"{seconds:.3f}\t{memory:.1f}\t{cpu:.2f}"
    path.write_text(f"s\tmax_rss\tcpu_time\n{row}\n", encoding="utf-8")
