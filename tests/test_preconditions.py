"""State of a checkout that DVC would refuse, each found without a run."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from merflow import preconditions

DVC_YAML = """stages:
  a:
    cmd: echo a > results/a
    outs: [results/a]
"""
LOCK = """schema: '2.0'
stages:
  a:
    cmd: echo a > results/a
    outs:
    - path: results/a
      md5: 60b725f10c9c85c70d97880dfe8191b3
      size: 2
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A checkout with git and DVC, and nothing to mend."""
    root = tmp_path_factory.mktemp("whole") / "checkout"
    for folder in (".dvc", "results"):
        (root / folder).mkdir(parents=True)
    texts = {"dvc.yaml": DVC_YAML, "dvc.lock": LOCK, ".dvc/config": "[core]\nanalytics = false\n"}
    texts |= {".gitignore": "/results/\n", "results/a": "a\n", ".dvcignore": ""}
    for name, text in texts.items():
        (root / name).write_text(text)
    git(root, "init", "--quiet")
    git(root, "add", "--all")
    return root


@pytest.fixture
def root(whole, tmp_path, monkeypatch) -> Path:
    """A copy of the checkout, without git's and DVC's variables in the environment."""
    for key in [key for key in os.environ if key.startswith(("GIT_", "DVC_"))]:
        monkeypatch.delenv(key)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    return Path(shutil.copytree(whole, tmp_path / "checkout", symlinks=True))


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True)


def problems(root: Path) -> list[str]:
    return list(preconditions.problems_of_files(root)) or preconditions.problems_of_dvc(root)


def append(name: str, content: bytes):
    def change(root: Path) -> None:
        (root / name).write_bytes((root / name).read_bytes() + content)

    return change


def write(name: str, content: bytes):
    return lambda root: (root / name).write_bytes(content)


def linked_out(root: Path) -> None:
    (root / "results").rename(root.parent / "elsewhere")
    (root / "results").symlink_to(root.parent / "elsewhere")


def folder_for_lock(root: Path) -> None:
    (root / "dvc.lock").unlink()
    (root / "dvc.lock").mkdir()


RESTORE = "`git checkout dvc.lock`"
REFUSED = {
    "no git": (lambda root: shutil.rmtree(root / ".git"), "DVC needs `git init`, or `dvc config"),
    "no .dvc": (lambda root: shutil.rmtree(root / ".dvc"), "`git checkout .dvc`, or `dvc init`"),
    "conflict in the lock": (
        append("dvc.lock", b"<<<<<<< HEAD\n"),
        "dvc.lock, line 9: has conflict markers of git; .*`git checkout --ours dvc.lock`",
    ),
    "conflict in DVC's config": (append(".dvc/config", b">>>>>>> b\n"), "config, line 3: has conf"),
    "empty lock": (write("dvc.lock", b""), f"dvc.lock: is empty; {RESTORE}"),
    "half a lock": (write("dvc.lock", LOCK[:70].encode()), f"in the middle of a line; {RESTORE}"),
    "lock of another schema": (append("dvc.lock", b"x: 1\n"), f"not what DVC writes; {RESTORE}"),
    "lock that is a list": (write("dvc.lock", b"- 1\n"), f"not what DVC writes; {RESTORE}"),
    "lock that is no YAML": (write("dvc.lock", b"a: [\n"), f"corrupted; {RESTORE}"),
    "lock with other bytes": (append("dvc.lock", b"\xe9\n"), f"line 9: byte E9 is .*{RESTORE}"),
    "lock that is a folder": (folder_for_lock, "dvc.lock: is a folder; a file is expected here"),
    "lock that git ignores": (append(".gitignore", b"dvc.lock\n"), "take dvc.lock out of .gitig"),
    "artifact that git tracks": (
        lambda root: git(root, "add", "--force", "results/a"),
        "results/a: is in git, .*`git rm -r --cached results/a`",
    ),
    "artifact that DVC ignores": (append(".dvcignore", b"results\n"), "remove that line from .dvc"),
    "link out of the checkout": (
        linked_out,
        "results: is a link to .*/elsewhere, and DVC takes no",
    ),
    "cache that is a file": (write(".dvc/cache", b""), "DVC's cache cannot be written: "),
    "cache in no place": (
        append(".dvc/config", b"[cache]\ndir = /proc/no\n"),
        "/proc/no.*: DVC's cache cannot be written: .*`dvc config cache.dir`",
    ),
    "scratch that is a file": (write(".dvc/tmp", b""), ".dvc/tmp: .*a folder is expected here"),
    "unknown key in DVC's config": (append(".dvc/config", b"auto = 1\n"), "correct .dvc/config"),
    "no config": (append(".dvc/config", b"core\n"), "line 3.; correct .dvc/config"),
    "config with other bytes": (
        append(".dvc/config", b"# \xe9\n"),
        "config, line 3: byte E9 is not",
    ),
    "broken index of git": (
        write(".git/index", b""),
        "mend what `git status` and `dvc status` say",
    ),
    "data is a file": (write("data", b""), "data: is a file, and a folder is expected here"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_dvc_would_refuse_is_one_line(root, case):
    change, message = REFUSED[case]
    change(root)
    (problem,) = problems(root)
    assert "\n" not in problem
    assert re.search(message, problem), problem


def linked_inside(root: Path) -> None:
    (root / "results").rename(root / "store")
    (root / "results").symlink_to("store")


def without_git(root: Path) -> None:
    shutil.rmtree(root / ".git")
    append(".dvc/config", b"no_scm = true\n")(root)


FINE = {
    "nothing": lambda root: None,
    "no git by DVC's config": without_git,
    "no lock yet": lambda root: (root / "dvc.lock").unlink(),
    "unknown stage in the lock": append("dvc.lock", b"  old@x:\n    cmd: x\n"),
    "a merge that is not finished": write(".git/MERGE_HEAD", b"0" * 40),
    "an absent cache elsewhere": append(".dvc/config", b"[cache]\ndir = ../../new\n"),
    "link inside the checkout": linked_inside,
}


@pytest.mark.parametrize("case", FINE)
def test_what_dvc_takes_is_no_problem(root, case):
    FINE[case](root)
    assert problems(root) == []
