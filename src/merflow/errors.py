"""Errors that reach a user as one line.

The line says what happened, where, what was expected and what to do.
"""

import errno
import os
import re

ERRORS = "MERFLOW_ERRORS"  # environment variable: file in which a run collects its jobs' errors
TRACEBACK = "MERFLOW_TRACEBACK"  # environment variable: show the traceback of a system error


class MerflowError(Exception):
    """Base of errors that a user can mend.

    The command line prints one line and exits with 1.
    """


class CheckoutError(MerflowError):
    """The state of folder, git or DVC would let a run fail at its end."""


class ParamsError(MerflowError):
    """params.yaml asks for something that does not exist or cannot be."""


class CorpusError(MerflowError):
    """Files of a corpus do not fit its layout."""


class DownloadError(MerflowError):
    """A download or an archive is not available, or not as expected."""


class MediaError(MerflowError):
    """A clip cannot be opened or decoded."""


class StoreError(MerflowError):
    """An artifact cannot be read, or cannot be written completely."""


class CheckpointError(MerflowError):
    """A pre-trained model is not available, or not as expected."""


class EvaluationError(MerflowError):
    """Predictions, labels or printed numbers do not fit each other."""


def reason(error: BaseException, length: int = 200) -> str:
    """Shorten the message of a library's error to one line of at most `length` characters."""
    return " ".join(str(error).split())[:length]


FULL = (errno.ENOSPC, errno.EDQUOT)
_SYSTEM = {
    **dict.fromkeys(FULL, "no space left on the disk; free some and run again"),
    errno.EROFS: "the file system is read-only; mount it for writing, or work in a copy elsewhere",
    errno.EACCES: "permission denied; change the rights of the file or of its folder (`ls -ld`)",
    errno.EPERM: "not permitted; the file may belong to another user (`ls -ld`)",
    errno.ENOENT: "no such file or folder",
    errno.EISDIR: "is a folder; a file is expected here",
    errno.ENOTDIR: "is a file, or lies below one; a folder is expected here",
    errno.EEXIST: "exists already; a folder is expected here",
    errno.ENAMETOOLONG: "the name is too long for the file system; shorten it",
    errno.ESTALE: "the network file system has lost the file; run again",
    errno.EMFILE: "too many open files; raise the limit (`ulimit -n`)",
    errno.EIO: "the disk cannot read or write it; check the disk",
}


def os_reason(error: OSError) -> str:
    """Explain an error of the operating system, with what to do where that is known."""
    number = error.errno or 0
    if error.strerror != os.strerror(number):  # a library says more
        return error.strerror or reason(error)
    return _SYSTEM.get(number, error.strerror)


def of_system(error: OSError) -> MerflowError:
    """Make the error of an operating-system error, with its file."""
    place = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
    return StoreError(f"{place}: {os_reason(error)}" if place else os_reason(error))


#: Lines of Snakemake and DVC that say nothing about an error.
_BANNER = re.compile(
    r"Using |Assuming |Building DAG|host: |Provided |Rules claiming|Job stats|Select jobs|"
    r"Shutting down|Complete log|Elapsed time|Error in onstart|https?://|To suppress|\[.*\d\d:\d\d"
)
_RAISED = re.compile(r"[\w.]+(Error|Exception)(:|$)")
_HEADING = re.compile(r"\w*(Error|Exception)\b.*:$")


def said(output: str) -> str:
    """Pick the line in a tool's output that says why it failed.

    It is our own line if there is one, else the exception of a traceback, else the first line that
    is no banner. A heading such as ``WorkflowError in file Snakefile:`` is joined with its text.
    """
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    own = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    if own:
        return own[0]
    raised = [line for line in lines if _RAISED.match(line)]
    if "Traceback (most recent call last):" in lines and raised:
        return raised[-1]
    lines = [re.sub("^ERROR: ", "", line) for line in lines if not _BANNER.match(line)]
    if lines and _HEADING.fullmatch(lines[0]):
        return " ".join(lines[:2])
    return lines[0] if lines else "no reason given"
