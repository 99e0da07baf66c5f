"""Lock of a checkout: one run at a time.

After a run that was killed there is nothing to repair by hand.

The kernel holds the lock (flock), so the lock ends with its process however that ends. Snakemake's
own lock files outlive a killed run, and the run that gets this lock may remove them. A run writes
its process id into the file of the lock, and empties the file when it ends in order. A process id
in a file that is not locked says that the run was killed. DVC's own lock keeps `dvc repro` out.
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

LOCK = Path(".snakemake/run_lock")
DVC = Path(".dvc/tmp")
IN_STAGE = "DVC_STAGE"  # set by DVC for the commands of its stages
IN_RUN = "MERFLOW_RUN"  # set for every process that a run starts: the checkout of the run
SPACE = 2**20  # bytes; with less, Snakemake cannot write its own records
READER = "snakemake"  # name of a run in DVC's lock


def inside_a_run() -> bool:
    """Tell whether a run of Snakemake in this checkout started this process."""
    return os.environ.get(IN_RUN) == str(Path.cwd())


class RunLock:
    """Lock of the checkout that is the working directory.

    Attributes:
        killed: True if the run before was killed; DVC does not know what it finished.
    """

    def __init__(self, job: bool = False) -> None:
        """Args: job: True if this process of Snakemake runs a job, maybe on another machine."""
        self.killed = False
        self._job = job or inside_a_run()
        self._file: int | None = None
        self._other_run: str | None = None
        self._dvc_lock = ExitStack()
        atexit.register(self._dvc_lock.close)

    @property
    def first(self) -> bool:
        """True if this process is no part of another run."""
        return not self._job

    @contextmanager
    def while_reading(self) -> Iterator[bool]:
        """Hold the lock while the Snakefile is read.

        Yields:
            False if another run is at work, so that nothing may be changed.

        Raises:
            StoreError: the disk is full, or the file system has no locks.
        """
        if self._job:
            yield False
            return
        if shutil.disk_usage(Path.cwd()).free < SPACE:
            raise StoreError(
                f"{Path.cwd()}: no space left on the disk; free some and start again"
                " (nothing was changed)"
            )
        self._other_run = self._acquire()
        if self._other_run:  # Snakemake itself only says that it cannot lock the directory
            print(_at_work(self._other_run), file=sys.stderr)
        try:
            if self._other_run is None:
                self._clear()
            yield self._other_run is None
            if self.killed:
                LOCK.write_text("", encoding="utf-8")
        finally:
            self._release()

    def begin(self) -> None:
        """Acquire the lock for a run, until its process ends.

        Raises:
            StoreError: another run is at work, or `dvc repro` is.
        """
        if self._job:
            return
        if process := self._other_run or self._acquire():
            raise StoreError(_at_work(process))
        if IN_STAGE not in os.environ:
            self._keep_dvc_out()
        os.environ[IN_RUN] = str(Path.cwd())
        LOCK.write_text(str(os.getpid()), encoding="utf-8")

    def let_dvc_in(self) -> None:
        """Release DVC's lock, after the last job, so that DVC can commit."""
        self._dvc_lock.close()

    def end(self) -> None:
        """Note that the run ended in order."""
        self.let_dvc_in()
        if self._file is not None:
            LOCK.write_text("", encoding="utf-8")

    def _acquire(self) -> str | None:
        """Acquire the lock, or return the process id of the run that holds it.

        Returns None if the lock was acquired.

        A process that only reads the Snakefile holds it for seconds: wait for that.
        """
        LOCK.parent.mkdir(exist_ok=True)
        self._file = os.open(LOCK, os.O_RDWR | os.O_CREAT, 0o664)
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return None
            except BlockingIOError:
                if process := LOCK.read_text(encoding="utf-8"):
                    self._release()
                    return process
                time.sleep(0.1)
            except OSError as error:
                raise StoreError(
                    f"{LOCK.absolute()}: the file system cannot lock files ({error.strerror});"
                    " put the checkout on another one"
                ) from error

    def _release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _clear(self) -> None:
        """Remove the locks and end the jobs of a killed run."""
        for lock in Path(".snakemake/locks").glob("*"):
            lock.unlink(missing_ok=True)
        if LOCK.read_text(encoding="utf-8"):
            end_jobs()
            clear_dvc()
            # `dvc repro` makes and commits its stages itself
            self.killed = IN_STAGE not in os.environ

    def _keep_dvc_out(self) -> None:
        """Enter DVC's lock as a reader of the whole checkout.

        Meanwhile DVC can read, but not write.
        """
        from dvc.exceptions import DvcException
        from dvc.fs import localfs
        from dvc.rwlock import rwlock

        DVC.mkdir(parents=True, exist_ok=True)
        whole_checkout = [str(Path.cwd())]
        lock = rwlock(str(DVC), localfs, READER, whole_checkout, [], hardlink=False)
        try:
            self._dvc_lock.enter_context(lock)
        except DvcException as error:
            reason = " ".join(str(error).split("\n\n")[0].split())
            advice = "wait for it, or end it, and start again"
            if "corrupted" in reason:  # a killed DVC left half of it
                advice = f"if no DVC works here, remove {DVC / 'rwlock'} and start again"
            raise StoreError(f"DVC works in this checkout: {reason}; {advice}") from error


def _at_work(process: str) -> str:
    return (
        f"another run works in this checkout (process {process});"
        " wait for it, or end it, before you start one"
    )


def end_jobs() -> None:
    """End the jobs of a killed run in this checkout.

    They write the same files as the next run.
    """
    killed = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(IN_RUN) == str(Path.cwd()):
                process.kill()
                killed.append(process)
        except psutil.Error:  # another user's process, or one that has just ended
            continue
    psutil.wait_procs(killed, timeout=10)


def clear_dvc() -> None:
    """Remove a killed run from DVC's lock.

    DVC itself only checks that the process id lives, and process ids are used again.
    """
    path = DVC / "rwlock"
    try:
        lock = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except json.JSONDecodeError:  # the run was killed while writing it
        path.unlink()
        return
    lock["read"] = {
        place: [reader for reader in readers if reader["cmd"] != READER]
        for place, readers in lock.get("read", {}).items()
    }
    path.write_text(json.dumps(lock), encoding="utf-8")
