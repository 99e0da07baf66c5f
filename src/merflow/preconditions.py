"""State of a checkout that a run needs, checked before its first job.

A run ends by committing to DVC. What DVC refuses then would have cost all the jobs before.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from merflow import errors
from merflow.errors import CheckoutError, MerflowError
from merflow.params import yaml_text

if TYPE_CHECKING:
    from dvc.repo import Repo

LOCK = Path("dvc.lock")
CONFIGS = (Path(".dvc/config"), Path(".dvc/config.local"))
WORK = ("data", "results", "build", ".snakemake")
#: Folders of which each artifact lies in one; asking git for each artifact takes a second.
FOLDERS = ("raw", "corpora", "checkpoints", "media", "features")
TRACKED = [*(f"data/{name}" for name in FOLDERS), "results"]


def check_folder(root: Path) -> None:
    """Refuse a folder that is not the project's.

    The message names the project's folder if it lies above.

    Raises:
        CheckoutError: `root` has no Snakefile with dvc.yaml.
    """
    if _is_project(root):
        return
    try:
        folder = root.absolute()
    except FileNotFoundError as error:
        raise CheckoutError("this folder was deleted; `cd` into the project's folder") from error
    above = next((parent for parent in folder.parents if _is_project(parent)), None)
    advice = (
        f"`cd {above}`, which is it, and run it again" if above else "`cd` there, and run it again"
    )
    raise CheckoutError(f"{folder}: run this in the project's folder: {advice}")


def _is_project(folder: Path) -> bool:
    return all((folder / name).is_file() for name in ("Snakefile", "dvc.yaml"))


def check_files(root: Path) -> None:
    """Check the text of the files that DVC needs; takes milliseconds.

    Raises:
        CheckoutError: the first of `problems_of_files`.
    """
    for problem in problems_of_files(root):
        raise CheckoutError(problem)


def check_dvc(root: Path) -> None:
    """Let DVC read the checkout as it does before a commit; takes a second.

    Raises:
        CheckoutError: the first of `problems_of_dvc`.
    """
    for problem in problems_of_dvc(root):
        raise CheckoutError(problem)


def problems_of_files(root: Path) -> Iterator[str]:
    """Find folders that are none, and conflict markers or damage in DVC's files."""
    for folder in WORK:
        if (root / folder).exists() and not (root / folder).is_dir():
            yield f"{folder}: is a file, and a folder is expected here; move it away"
    if not (root / ".dvc").is_dir():
        yield ".dvc: no such folder, and DVC needs it; `git checkout .dvc`, or `dvc init`"
    for name in (*CONFIGS, LOCK):
        path = root / name
        try:
            if name == LOCK or path.exists():
                yield from _problems_of_text(path, str(name))
        except OSError as error:
            yield f"{name}: {errors.os_reason(error)}"


def _problems_of_text(path: Path, name: str) -> Iterator[str]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:  # before the first run
        return
    try:
        text = yaml_text.decoded(content, name)
        yaml_text.check_conflict(text, name)
    except MerflowError as error:
        yield f"{error}; {_RESTORE}" if name == str(LOCK) and "UTF-8" in str(error) else str(error)
        return
    if name == str(LOCK) and not text.endswith("\n"):
        yield f"{name}: {'is empty' if not text else 'ends in the middle of a line'}; {_RESTORE}"


_RESTORE = f"`git checkout {LOCK}` brings back the one of the last commit; then start again"


def problems_of_dvc(root: Path) -> list[str]:
    """List reasons for which DVC would refuse to commit, with what to do."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            tracked = [path for path in TRACKED if repo.scm.is_tracked(str(root / path))]
            stages = repo.index.stages
            outs = [out.fspath for stage in stages for out in stage.outs]
            return [
                *_linked_outside(root, outs),
                *_in_git(repo, outs if tracked else []),
                *_not_writable(repo),
            ]
    except (DvcException, OSError) as error:
        return [refusal(error)]
    except Exception as error:  # the libraries by which DVC reads git and YAML raise their own
        return [
            f"DVC cannot work in this checkout ({type(error).__name__}: {errors.reason(error)});"
            " mend what `git status` and `dvc status` say"
        ]


def _linked_outside(root: Path, outs: list[str]) -> list[str]:
    """Outputs that a link leads out of the checkout; the link is named once."""
    inside = os.path.realpath(root)
    links: dict[str, str] = {}
    for out in outs:
        relative = os.path.relpath(out, root)
        for place in [relative, *map(str, Path(relative).parents)][:-1]:
            real = os.path.realpath(root / place)
            if (root / place).is_symlink() and not real.startswith(inside + os.sep):
                links[place] = real
    return [
        f"{place}: is a link to {real}, and DVC takes no artifacts outside of the checkout;"
        " keep the whole checkout there, or use `mount --bind` instead of the link"
        for place, real in links.items()
    ]


def _in_git(repo: "Repo", outs: list[str]) -> list[str]:
    """Outputs of which git tracks a file."""
    names = [os.path.relpath(out, repo.root_dir) for out in outs if repo.scm.is_tracked(out)]
    return [
        f"{name}: is in git, and DVC takes only what is not;"
        f" `git rm -r --cached {name}`, and start again"
        for name in names
    ]


def _not_writable(repo: "Repo") -> list[str]:
    """Places that DVC writes to and cannot; each is tried."""
    problems = []
    folders = {"DVC's cache": repo.cache.local.path, "DVC's scratch": repo.tmp_dir}
    for name, folder in folders.items():
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            where = " (`dvc config cache.dir` sets another one)" if "cache" in name else ""
            problems.append(f"{folder}: {name} cannot be written: {errors.os_reason(error)}{where}")
    try:
        with (Path(repo.root_dir) / LOCK).open("r+b"):
            pass
    except FileNotFoundError:  # before the first run
        pass
    except OSError as error:
        problems.append(f"{LOCK}: cannot be written: {errors.os_reason(error)}")
    return problems


def refusal(error: Exception) -> str:
    """Explain an error of DVC in a line, with the known remedy."""
    text = errors.said(str(error) or type(error).__name__)
    advice = next((advice for sign, advice in _ADVICE.items() if sign in text), None)
    if isinstance(error, OSError) and error.errno:
        text = str(errors.of_system(error))
    if advice is None:
        advice = "`dvc status` says more; mend that and start again"
    elif str(LOCK) in text and "validation failed" in text:
        text = f"{LOCK}: is not what DVC writes"
    return f"{text}; {advice}"


#: Part of DVC's message -> what to do.
_ADVICE = {
    "is not a git repository": "DVC needs `git init`, or `dvc config core.no_scm true`",
    "not inside of a DVC repository": "`git checkout .dvc`, or `dvc init`",
    "dvc.lock' is git-ignored": "take dvc.lock out of .gitignore, it belongs into git",
    "dvc.lock": _RESTORE,
    "ignored by .dvcignore": "remove that line from .dvcignore",
    "config file error": "correct .dvc/config (or .dvc/config.local); `git diff .dvc/config`",
}
