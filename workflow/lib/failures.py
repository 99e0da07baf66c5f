"""End of a run that failed: a table, below Snakemake's own messages."""

import atexit
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from snakemake.exceptions import WorkflowError

from merflow import progress
from merflow.display import TextTable
from merflow.errors import TRACEBACK, MerflowError, of_system

MENDABLE = (MerflowError, OSError)  # errors that are one line
UNKNOWN = "failed or was killed without a message (memory?); see the end of its log"
INTERRUPTED = "error: the run ended before its last job; start it again, and it goes on"


@dataclass(frozen=True)
class Failure:
    """A job that failed.

    Attributes:
        job: in words.
        reason: its error, in one line.
        log: path of its log.
        blocked: jobs that were not run because of it.
    """

    job: str
    reason: str
    log: str
    blocked: frozenset[Any] = frozenset()


def of(workflow: Any) -> list[Failure]:
    """List the failed jobs of a run, in the order of their messages."""
    dag = workflow.dag
    failed = workflow.scheduler.failed
    left = {job for job in dag.needrun_jobs() if job.rule.name != "all"} - failed
    failures = [
        Failure(
            job.message or job.rule.name,
            _reason(list(map(Path, job.log))),
            " ".join(job.log),
            frozenset(left.intersection(dag.bfs(dag.depending, job))),
        )
        for job in failed
    ]
    return sorted(failures, key=lambda failure: failure.job)


def _reason(logs: Iterable[Path]) -> str:
    """The last error in the log of a job (`merflow.main` writes it there)."""
    lines = [
        line.removeprefix("error: ")
        for log in logs
        if log.exists()
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines()
        if line.startswith("error: ")
    ]
    return lines[-1] if lines else UNKNOWN


def end(failures: Sequence[Failure], remarks: Iterable[str | None] = ()) -> None:
    """End this process with the table, and one line that says it all.

    Args:
        failures: jobs that failed.
        remarks: lines between the table and the last line.
    """

    def show() -> None:
        if failures:
            _console().print(_table(failures))
        last = _last_line(failures)
        print(*filter(None, remarks), last, sep="\n", file=sys.stderr, flush=True)

    atexit.register(show)


def _console() -> Console:
    return progress.console(stderr=True)


def _table(failures: Sequence[Failure]) -> TextTable:
    """A row for each reason; jobs that share one are counted."""
    table = TextTable(title="jobs that failed", title_justify="left", show_lines=True)
    table.add_column("job", overflow="fold", ratio=2)
    table.add_column("why", overflow="fold", ratio=5)
    table.add_column("not run", justify="right", no_wrap=True)
    table.add_column("log", overflow="fold", ratio=3)
    by_reason: dict[str, list[Failure]] = {}
    for failure in failures:
        by_reason.setdefault(failure.reason, []).append(failure)
    for reason, group in by_reason.items():
        others = f" and {len(group) - 1} others" if len(group) > 1 else ""
        blocked = len(frozenset().union(*(failure.blocked for failure in group)))
        table.add_row(f"{group[0].job}{others}", reason, str(blocked), group[0].log)
    return table


def _last_line(failures: Sequence[Failure]) -> str:
    """One error as it is; of several, their number and what to do."""
    if not failures:
        return INTERRUPTED
    reasons = {failure.reason for failure in failures}
    if len(reasons) == 1 and UNKNOWN not in reasons:
        return f"error: {reasons.pop()}"
    n = len(failures)
    blocked = len(frozenset().union(*(failure.blocked for failure in failures)))
    return (
        f"error: {n} job{'s' if n > 1 else ''} failed, and {blocked} were not run because of that;"
        " mend what the table says, and start again: what was made stays"
    )


def refusal(error: Exception) -> WorkflowError:
    """Make Snakemake's error for an error of MENDABLE, to raise.

    Its line is the last of this process, below the lines of a list that it may have.
    """
    error = mendable(error)
    lines = [*getattr(error, "lines", []), f"error: {error}"]
    atexit.register(lambda: print(*lines, sep="\n", file=sys.stderr, flush=True))
    return WorkflowError(str(error))


def mendable(error: Exception) -> MerflowError:
    """Make an error of MENDABLE one line; MERFLOW_TRACEBACK shows where a system error began."""
    if isinstance(error, MerflowError):
        return error
    if TRACEBACK in os.environ or not isinstance(error, OSError):
        raise error
    return of_system(error)
