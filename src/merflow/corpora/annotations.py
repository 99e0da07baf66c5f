"""Annotations of a custom corpus: a CSV file with a row per utterance (docs/your-own-clips.md).

Columns: ``clip`` (path below the corpus' folder), ``text`` (transcript), ``label`` (one emotion),
``speaker``, ``dialogue``, ``split`` (train, dev or test). All columns must exist; `read` says which
values may be empty. Only the standard library is needed: the Snakefile reads the file at every
start, because the number of folds decides the number of jobs.
"""

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from merflow.corpora.schemes import CUSTOM
from merflow.errors import CorpusError

COLUMNS = ("clip", "text", "label", "speaker", "dialogue", "split")
SPLITS = ("train", "dev", "test")


@dataclass(frozen=True)
class Row:
    """A row of the file, without spaces around values; an empty value is not given.

    Attributes:
        line: number in the file, from 2, because the first line is the header.
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
        """The clip as written; without a clip, the line number."""
        return self.clip or f"line {self.line:05}"

    @property
    def dialogue_id(self) -> str:
        """The dialogue; the utterance itself if none is given."""
        return self.dialogue or self.utterance_id


@dataclass(frozen=True)
class Annotations:
    """Rows with a label, and rows without, which are left out."""

    rows: list[Row]
    unlabelled: list[Row]

    @property
    def names_clips(self) -> bool:
        """True if a row names a clip; else the corpus is text alone."""
        return any(row.clip for row in self.rows)

    @property
    def classes(self) -> list[str]:
        """The labels, sorted."""
        return sorted({row.label for row in self.rows})

    @property
    def scheme(self) -> str:
        """Split scheme: ``given`` if the file names splits, else ``speakers``."""
        return "given" if any(row.split for row in self.rows) else "speakers"

    @property
    def folds(self) -> int:
        """Number of folds; of ``speakers``, at most five and at most one per unit."""
        folds = CUSTOM[self.scheme].folds
        return folds if self.scheme == "given" else min(folds, len(self.units))

    @property
    def units(self) -> dict[str, int]:
        """Number of utterances per unit that no fold divides: a speaker, or a dialogue."""
        return dict(Counter(row.speaker or row.dialogue_id for row in self.rows))


def read(path: Path, labelled: bool = True) -> Annotations:
    """Read the file at `path`.

    A row needs a clip or a text. A row without label is left out. Speakers are named in every row
    or in none. If some rows name a split, a row without is in no split.

    Args:
        path: CSV, UTF-8, commas.
        labelled: False: only clips and texts matter, and only the column ``clip`` is needed.

    Raises:
        CorpusError: the file or a column is missing, or a value is impossible; names file and row.
    """
    rows = _rows(path, COLUMNS if labelled else ("clip",))
    if not rows:
        raise CorpusError(f"{path}: no row in it; write one for each utterance")
    line_of: dict[str, int] = {}
    for row in rows:
        where = f"{path}, line {row.line}"
        if not (row.clip or row.text):
            raise CorpusError(f"{where}: neither clip nor text; remove the row, or name one")
        if row.clip.startswith("/") or ".." in PurePosixPath(row.clip).parts:
            raise CorpusError(
                f"{where}: clip {row.clip} is not a path below the folder of the corpus; "
                "write it relative to that folder"
            )
        if line_of.setdefault(row.utterance_id, row.line) != row.line:
            raise CorpusError(
                f"{where}: clip {row.clip} is in line {line_of[row.clip]} already; "
                "an utterance has one row and one label"
            )
        if row.split and row.split not in SPLITS:
            raise CorpusError(f"{where}: split {row.split!r}, expected one of {', '.join(SPLITS)}")
    annotations = Annotations(
        rows=[row for row in rows if row.label], unlabelled=[row for row in rows if not row.label]
    )
    if labelled:
        _check(path, annotations)
    return annotations


def _rows(path: Path, needed: tuple[str, ...]) -> list[Row]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file, restval="")
            header = table.fieldnames or ()
            if missing := [name for name in needed if name not in header]:
                raise CorpusError(
                    f"{path}: no column {', '.join(missing)} in its first line, which names "
                    f"{', '.join(header) or 'none'}; separate them by commas"
                )
            return [
                Row(table.line_num, *((line.get(name) or "").strip() for name in COLUMNS))
                for line in table
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise CorpusError(
            f"{path}: cannot be read as CSV in UTF-8 ({reason}); make it with "
            "`merflow annotations <folder>`"
        ) from error


def _check(path: Path, annotations: Annotations) -> None:
    """Refuse annotations that no system can learn from, or whose splits are ambiguous."""
    rows, classes = annotations.rows, annotations.classes
    if len(classes) < 2:
        listed = ", ".join(classes) or "none"
        raise CorpusError(f"{path}: {len(classes)} labels ({listed}); two or more are needed")
    anonymous = next((row for row in rows if not row.speaker), None)
    if anonymous and any(row.speaker for row in rows):
        raise CorpusError(
            f"{path}, line {anonymous.line}: no speaker, and other rows have one; "
            "name it in every row or in none"
        )
    if annotations.scheme == "given":
        if empty := [split for split in SPLITS if split not in {row.split for row in rows}]:
            raise CorpusError(
                f"{path}: no row of split {', '.join(empty)}; fill it in, or leave the column "
                "empty for folds by speaker"
            )
    elif annotations.folds < len(SPLITS):
        units = "speakers" if rows[0].speaker else "dialogues"
        raise CorpusError(
            f"{path}: {len(annotations.units)} {units}, and train, dev and test need one each; "
            "give a split, or name more"
        )
