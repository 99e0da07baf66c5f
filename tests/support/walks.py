"""Pages of docs/ that add something: changes of files, applied to a copy of the project.

A page has a section ``### <number>. `<path>` <place>`` per file, with code blocks below it. The
place of a block stands in the last paragraph before it, or else in the heading. It is ``(new)``,
``after `line```, ``everywhere after `line```, ``before `line``` or ``Replace `text` with``.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from support import ROOT

COPIED = ("src", "workflow", "params", "reported", "params.yaml", "dvc.yaml", "pyproject.toml")
PLACES = {
    "everywhere": re.compile(r"everywhere after `(.+?)`"),
    "after": re.compile(r"after `(.+?)`"),
    "before": re.compile(r"before `(.+?)`"),
    "replace": re.compile(r"[Rr]eplace `(.+?)` with"),
    "new": re.compile(r"(\(new\))"),
}


@dataclass(frozen=True)
class Change:
    """A code block of a page.

    Attributes:
        path: file that it changes.
        place: key of PLACES.
        anchor: line or text in the file.
        text: of the block.
    """

    path: str
    place: str
    anchor: str
    text: str

    def apply(self, root: Path) -> None:
        """Change the file in a copy of the project."""
        file = root / self.path
        if self.place == "new":
            file.write_text(self.text, encoding="utf-8")
            return
        content = file.read_text(encoding="utf-8")
        if self.place == "replace":
            assert content.count(self.anchor) == 1, f"{self.path}: {self.anchor}"
            file.write_text(content.replace(self.anchor, self.text.rstrip("\n")), encoding="utf-8")
            return
        lines = content.splitlines(keepends=True)
        places = [k for k, line in enumerate(lines) if line.strip() == self.anchor.strip()]
        assert places, f"{self.path}: no line {self.anchor}"
        chosen = places if self.place == "everywhere" else places[:1]
        for k in reversed(chosen):
            lines.insert(k if self.place == "before" else k + 1, self.text)
        file.write_text("".join(lines), encoding="utf-8")


def changes(page: str) -> list[Change]:
    """Read the changes of a page of docs/."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    blocks: list[Change] = []
    for section in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        heading, _, body = section.partition("\n")
        if not (path := re.match(r"\d+\. `([^`]+)`", heading)):
            continue
        pieces = re.split(r"^```\w+\n(.*?)^```\n", body, flags=re.MULTILINE | re.DOTALL)
        for prose, block in zip(pieces[::2], pieces[1::2], strict=False):
            paragraph = " ".join(prose.strip().split("\n\n")[-1].split())
            place = _place(paragraph) or _place(heading[path.end() :])
            assert place, f"{page}: {heading}: a block without a place"
            blocks.append(Change(path[1], *place, block))
    return blocks


def _place(text: str) -> tuple[str, str] | None:
    for name, pattern in PLACES.items():
        if match := pattern.search(text):
            return name, match[1]
    return None


def copy_of_the_project(root: Path) -> Path:
    """Copy what the contract tests read."""
    for name in COPIED:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "params")
            shutil.copytree(ROOT / name, root / name, ignore=None if name == "src" else ignored)
        else:
            shutil.copy(ROOT / name, root / name)
    (root / "tests").mkdir()
    shutil.copy(ROOT / "tests/test_contracts.py", root / "tests")
    shutil.copytree(ROOT / "tests/support", root / "tests/support")
    return root


def python(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a copy of the project, with its source."""
    path = f"{root / 'src'}:{root / 'tests'}"
    environment = {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
