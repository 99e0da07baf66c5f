"""One run at a time in a checkout, and nothing to mend by hand after one that was killed.

The kernel keeps the lock (flock), so it ends with its process however that dies. Snakemake's own lock files outlive a
killed run; whoever has the turn may remove them. A run writes its process id into the file and empties it when it ends
in order: an id in a file that nobody locks says that the run was killed. DVC's own lock keeps `dvc repro` out meanwhile.
"""

import atexit
import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from merflow.errors import StoreError

LOCK = Path(".snakemake/turn")
DVC = Path(".dvc/tmp")
IN_STAGE = "DVC_STAGE"  # set by DVC for its stages' commands
IN_RUN = "MERFLOW_RUN"  # set for all that a run starts: the checkout it works in
ROOM = 2**20  # bytes; with less, Snakemake cannot write its own records
NAME = "snakemake"  # as whom a run stands in DVC's lock


def inside_a_run() -> bool:
    """Tell whether a run of Snakemake in this checkout started this process."""
    return os.environ.get(IN_RUN) == str(Path.cwd())


class RunLock:
    """The turn of this process in the checkout that is the working directory.

    Attributes:
        killed: the run before was killed; what it had finished is new to DVC.
    """

    def __init__(self, job: bool = False) -> None:
        """`job`: this process of Snakemake is a job of a run, maybe on another machine."""
        self.killed = False
        self._job = job or inside_a_run()
        self._file: int | None = None
        self._other: str | None = None
        self._dvc = ExitStack()
        atexit.register(self._dvc.close)

    @contextmanager
    def while_reading(self) -> Iterator[bool]:
        """The turn for as long as the Snakefile is read; yields False if a run is at work, and nothing may be changed.

        Raises:
            StoreError: the disk is full, or the file system has no locks.
        """
        if self._job:
            yield False
            return
        if shutil.disk_usage(Path.cwd()).free < ROOM:
            raise StoreError(
                f"{Path.cwd()}: no space left on the disk; free some and start again (nothing was changed)"
            )
        self._other = self._take()
        if self._other:  # Snakemake says no more than that it cannot lock the directory
            print(_at_work(self._other), file=sys.stderr)
        try:
            if self._other is None:
                self._clear()
            yield self._other is None
            if self.killed:
                LOCK.write_text("", encoding="utf-8")
        finally:
            self._give_back()

    def begin(self) -> None:
        """Take the turn for a run, to its process's end.

        Raises:
            StoreError: another run is at work, or `dvc repro` is.
        """
        if self._job:
            return
        if other := self._other or self._take():
            raise StoreError(_at_work(other))
        if IN_STAGE not in os.environ:
            self._keep_dvc_out()
        os.environ[IN_RUN] = str(Path.cwd())
        LOCK.write_text(str(os.getpid()), encoding="utf-8")

    def let_dvc_in(self) -> None:
        """The jobs are done, DVC may commit them."""
        self._dvc.close()

    def end(self) -> None:
        """The run ended in order."""
        self.let_dvc_in()
        if self._file is not None:
            LOCK.write_text("", encoding="utf-8")

    def _take(self) -> str | None:
        """The process that has the turn, or None, and then it is ours. Who only reads has it for seconds: wait for that."""
        LOCK.parent.mkdir(exist_ok=True)
        self._file = os.open(LOCK, os.O_RDWR | os.O_CREAT, 0o664)
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return None
            except BlockingIOError:
                if other := LOCK.read_text(encoding="utf-8"):
                    self._give_back()
                    return other
                time.sleep(0.1)
            except OSError as error:
                raise StoreError(
                    f"{LOCK.absolute()}: the file system cannot lock files ({error.strerror}); put the checkout on another"
                ) from error

    def _give_back(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _clear(self) -> None:
        """Nobody is at work: a lock that stands is a dead one's, and a job that runs has lost its run."""
        shutil.rmtree(".snakemake/locks", ignore_errors=True)
        if LOCK.read_text(encoding="utf-8"):
            end_jobs()
            clear_dvc()
            self.killed = (
                IN_STAGE not in os.environ
            )  # `dvc repro` makes and commits its stages itself

    def _keep_dvc_out(self) -> None:
        """Stand in DVC's lock as a reader of the whole checkout: `dvc status` goes on, what writes is refused by DVC."""
        from dvc.exceptions import DvcException
        from dvc.fs import localfs
        from dvc.rwlock import rwlock

        DVC.mkdir(parents=True, exist_ok=True)
        try:
            self._dvc.enter_context(
                rwlock(str(DVC), localfs, NAME, [str(Path.cwd())], [], hardlink=False)
            )
        except DvcException as error:
            why = " ".join(str(error).split("\n\n")[0].split())
            raise StoreError(
                f"DVC works in this checkout: {why}; wait for it, or end it, and start again"
            ) from error


def _at_work(process: str) -> str:
    return f"another run works in this checkout (process {process}); wait for it, or end it, before you start one"


def end_jobs() -> None:
    """End the jobs of this checkout that a killed run left behind: they would write what the next run's jobs write."""
    left = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(IN_RUN) == str(Path.cwd()):
                process.kill()
                left.append(process)
        except psutil.Error:  # another user's, or just gone
            continue
    psutil.wait_procs(left, timeout=10)


def clear_dvc() -> None:
    """Take a killed run out of DVC's lock: DVC asks only whether the process id lives, and ids come again."""
    path = DVC / "rwlock"
    try:
        lock = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except json.JSONDecodeError:  # it was killed while writing it
        path.unlink()
        return
    lock["read"] = {
        place: [one for one in readers if one["cmd"] != NAME]
        for place, readers in lock.get("read", {}).items()
    }
    path.write_text(json.dumps(lock), encoding="utf-8")
