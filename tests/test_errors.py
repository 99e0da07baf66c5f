"""The line of a tool's output that says why it failed, and reasons of the operating system."""

import errno
import os

import pytest

from merflow.errors import of_system, os_reason, said

BANNERS = """Using workflow specific profile profiles/default for setting default arguments.
host: machine
Building DAG of jobs...
"""
OUTPUTS = {
    "error: mine.csv: no such file\n" + BANNERS: "mine.csv: no such file",
    BANNERS + "MissingInputException in rule a in file x, line 3:\nMissing input files:\n b": (
        "MissingInputException in rule a in file x, line 3: Missing input files:"
    ),
    "Traceback (most recent call last):\n  File x\nOSError: [Errno 2] gone\n" + BANNERS: (
        "OSError: [Errno 2] gone"
    ),
    " output 'results/a' is already tracked by SCM (e.g. Git).\n    git commit -m stop": (
        "output 'results/a' is already tracked by SCM (e.g. Git)."
    ),
    "ERROR: you are not inside of a DVC repository": "you are not inside of a DVC repository",
    "https://yaml.dev/doc\nTo suppress this check see:\nfound duplicate key": "found duplicate key",
    BANNERS: "no reason given",
    "": "no reason given",
}


@pytest.mark.parametrize("output", OUTPUTS)
def test_the_line_that_says_why_is_picked(output):
    assert said(output) == OUTPUTS[output]


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "no space left on the disk; free some and run again"),
        (errno.EDQUOT, "no space left on the disk; free some and run again"),
        (errno.EROFS, "the file system is read-only"),
        (errno.EACCES, "permission denied"),
        (errno.EISDIR, "is a folder; a file is expected here"),
        (errno.ENOTDIR, "a folder is expected here"),
        (errno.ENAMETOOLONG, "the name is too long"),
        (errno.EINTR, "Interrupted system call"),
    ],
)
def test_an_error_of_the_system_names_file_and_reason(number, reason):
    error = OSError(number, os.strerror(number), "mine.csv")
    assert str(of_system(error)).startswith(f"mine.csv: {os_reason(error)}")
    assert reason in os_reason(error)


def test_what_a_library_says_is_kept():
    error = FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/x']")
    assert os_reason(error) == "No usable temporary directory found in ['/x']"
