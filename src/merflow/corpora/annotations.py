"""The annotations of one's own clips: a CSV file with a row per utterance (docs/your-own-clips.md).

Columns: ``clip`` (path below the corpus' folder), ``text`` (what is said), ``label`` (one emotion), ``speaker``, ``dialogue``, ``split``
(train, dev or test). All are there; which may be empty is said at `read`. Only the standard library is needed: the Snakefile reads the
file at every start, for how many folds there are decides how many jobs there will be.
"""

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from merflow.corpora.schemes import OWN
from merflow.errors import CorpusError

COLUMNS = ("clip", "text", "label", "speaker", "dialogue", "split")
PARTS = ("train", "dev", "test")


@dataclass(frozen=True)
class Row:
    """A row of the file, stripped of spaces around values; empty: not given.

    Attributes:
        line: in the file, from 2: the first is the head.
        clip, text, label, speaker, dialogue, split: see the module.
    """

    line: int
    clip: str
    text: str
    label: str
    speaker: str
    dialogue: str
    split: str

    @property
    def utterance_id(self) -> str:
        """The clip as written, or the line where there is none."""
        return self.clip or f"line {self.line:05}"

    @property
    def dialogue_id(self) -> str:
        """The dialogue; an utterance without stands alone."""
        return self.dialogue or self.utterance_id


@dataclass(frozen=True)
class Annotations:
    """Rows with a label, and those without, which are left out."""

    rows: list[Row]
    unlabelled: list[Row]

    def identity(self) -> dict[str, Any]:
        """All that the file says, as plain values for a digest."""
        return {
            name: [[row.line, *(getattr(row, column) for column in COLUMNS)] for row in rows]
            for name, rows in (("rows", self.rows), ("unlabelled", self.unlabelled))
        }

    @property
    def classes(self) -> list[str]:
        """The labels, sorted."""
        return sorted({row.label for row in self.rows})

    @property
    def scheme(self) -> str:
        """``given`` where the file says who is train, dev and test, else ``speakers``."""
        return "given" if any(row.split for row in self.rows) else "speakers"

    @property
    def folds(self) -> int:
        """One, or as many as there are speakers (dialogues, where no speaker is named), up to five."""
        return (
            OWN["given"].folds
            if self.scheme == "given"
            else min(OWN["speakers"].folds, len(self.units))
        )

    @property
    def units(self) -> dict[str, int]:
        """What is never on both sides of a fold, a speaker or a dialogue, and how many utterances it has."""
        return dict(Counter(row.speaker or row.dialogue_id for row in self.rows))


def read(path: Path, labelled: bool = True) -> Annotations:
    """Read the file at `path`.

    A row needs a clip or a text. Without a label it is left out. Speakers are named in every row or in none. Where a split is given, a
    row without is in none of its parts.

    Args:
        path: CSV, UTF-8, commas.
        labelled: False: only clips and texts are of interest, no column but ``clip`` need be there.

    Raises:
        CorpusError: no such file, no such columns, a row or the whole cannot be; one line that names file and row.
    """
    rows = _rows(path, COLUMNS if labelled else ("clip",))
    if not rows:
        raise CorpusError(f"{path}: no row in it; write one for each utterance")
    seen: dict[str, int] = {}
    for row in rows:
        where = f"{path}, line {row.line}"
        if not (row.clip or row.text):
            raise CorpusError(f"{where}: neither clip nor text; remove the row, or name one")
        if row.clip.startswith("/") or ".." in PurePosixPath(row.clip).parts:
            raise CorpusError(
                f"{where}: clip {row.clip} is no path below the folder of the corpus; write it relative to that"
            )
        if seen.setdefault(row.utterance_id, row.line) != row.line:
            raise CorpusError(
                f"{where}: clip {row.clip} is in line {seen[row.clip]} already; an utterance has one row, and one label"
            )
        if row.split and row.split not in PARTS:
            raise CorpusError(f"{where}: split {row.split!r} is none of {', '.join(PARTS)}")
    found = Annotations([row for row in rows if row.label], [row for row in rows if not row.label])
    if labelled:
        _check(path, found)
    return found


def _rows(path: Path, needed: tuple[str, ...]) -> list[Row]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file, restval="")
            if missing := [name for name in needed if name not in (table.fieldnames or ())]:
                there = ", ".join(table.fieldnames or ()) or "none"
                raise CorpusError(
                    f"{path}: no column {', '.join(missing)} in its first line, which names {there}; separate them by commas"
                )
            return [
                Row(table.line_num, *((line.get(name) or "").strip() for name in COLUMNS))
                for line in table
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise CorpusError(
            f"{path}: cannot be read as CSV in UTF-8 ({reason}); make it with `merflow annotations <folder>`"
        ) from error


def _check(path: Path, found: Annotations) -> None:
    """Refuse what no system could learn from, or what would be split otherwise than its author thinks."""
    if len(found.classes) < 2:
        raise CorpusError(
            f"{path}: {len(found.classes)} labels ({', '.join(found.classes) or 'none'}); two or more are needed to tell apart"
        )
    without = next((row for row in found.rows if not row.speaker), None)
    if without and any(row.speaker for row in found.rows):
        raise CorpusError(
            f"{path}, line {without.line}: no speaker, and other rows have one; name it in every row or in none"
        )
    if found.scheme == "given":
        if absent := [part for part in PARTS if part not in {row.split for row in found.rows}]:
            raise CorpusError(
                f"{path}: no row of split {', '.join(absent)}; fill it in, or leave the column empty for folds by speaker"
            )
    elif found.folds < len(PARTS):
        what = "speakers" if found.rows[0].speaker else "dialogues"
        raise CorpusError(
            f"{path}: {len(found.units)} {what}, and train, dev and test need one each; give a split, or name more"
        )
