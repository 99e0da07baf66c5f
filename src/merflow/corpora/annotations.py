"""Annotations of a custom corpus: a CSV file with a row per utterance (docs/your-own-clips.md).

Columns: ``clip`` (path below the corpus' folder), ``text`` (transcript), ``label`` (one emotion),
``speaker``, ``dialogue``, ``split`` (train, dev or test). All columns must exist; `read` says which
values may be empty. Only the standard library is needed: the Snakefile reads the file at every
start, because the number of folds decides the number of jobs.
"""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from merflow.corpora import delimited
from merflow.corpora.label_names import alike, placeholders
from merflow.corpora.transcripts import stripped
from merflow.corpora.units import Folding, fold_rows
from merflow.errors import CorpusError

COLUMNS = ("clip", "text", "label", "speaker", "dialogue", "split")
SPLITS = ("train", "dev", "test")
ORIGIN = "make it with `merflow own <name> <folder of clips>`"


@dataclass(frozen=True)
class Row:
    """A row of the file, without spaces around values; an empty value is not given.

    Attributes:
        line: number of the line in which it begins, from 2: the first line is the header.
        clip: path in one form, without ``.`` and doubled slashes.
        text, label, speaker, dialogue, split: see the module.
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
        """The clip; without a clip, the line number."""
        return self.clip or f"line {self.line:05}"

    @property
    def dialogue_id(self) -> str:
        """The dialogue; the utterance itself if none is given."""
        return self.dialogue or self.utterance_id


@dataclass(frozen=True)
class Annotations:
    """Rows of a file.

    Attributes:
        rows: with a label.
        unlabelled: without a label; they are left out.
        n_blank: number of rows without any value, which spreadsheets leave behind.
    """

    rows: list[Row]
    unlabelled: list[Row]
    n_blank: int = 0

    @property
    def names_clips(self) -> bool:
        """True if a row names a clip; else the corpus is text alone."""
        return any(row.clip for row in self.rows)

    @property
    def classes(self) -> list[str]:
        """The labels, sorted."""
        return sorted({row.label for row in self.rows})

    @cached_property
    def scheme(self) -> str:
        """Split scheme: ``given`` if the file names splits, else that of `folding`."""
        return "given" if any(row.split for row in self.rows) else self.folding.scheme

    @property
    def folds(self) -> int:
        """Number of folds."""
        return 1 if self.scheme == "given" else self.folding.n_folds

    @cached_property
    def splits(self) -> list[list[str]]:
        """Split of each row, by fold; an empty one is none."""
        if self.scheme == "given":
            return [[row.split for row in self.rows]]
        return [self.folding.splits(fold) for fold in range(self.folds)]

    @cached_property
    def folding(self) -> Folding:
        """Folds of the rows, for a file that names no splits."""
        return fold_rows(self.rows)


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
    needed = COLUMNS if labelled else COLUMNS[:1]
    table = delimited.read(path, needed, COLUMNS[len(needed) :], origin=ORIGIN)
    if not table.rows:
        raise CorpusError(f"{path}: no row in it; write one for each utterance")
    line_of: dict[str, int] = {}
    rows = []
    for line in table.rows:
        row = _row(line, f"{path}, line {line.number}")
        rows.append(row)
        if line_of.setdefault(row.utterance_id, row.line) != row.line:
            raise CorpusError(
                f"{path}, line {row.line}: clip {row.utterance_id} is in line"
                f" {line_of[row.utterance_id]} already; an utterance has one row and one label"
            )
    annotations = Annotations(
        rows=[row for row in rows if row.label],
        unlabelled=[row for row in rows if not row.label],
        n_blank=table.n_blank,
    )
    if labelled:
        _check_labels(path, annotations)
        _check(path, annotations)
    return annotations


def _row(line: delimited.Line, where: str) -> Row:
    values = {name: stripped(line.values.get(name, "")) for name in COLUMNS}
    clip, split = values["clip"], values["split"]
    if not (clip or values["text"]):
        raise CorpusError(f"{where}: neither clip nor text; remove the row, or name one")
    if broken := [
        name for name in COLUMNS if name != "text" and len(values[name].splitlines()) > 1
    ]:
        raise CorpusError(f"{where}: a line break in {broken[0]}; only a text may have one")
    path = PurePosixPath(clip)
    if clip and (path.is_absolute() or not path.parts or ".." in path.parts):
        raise CorpusError(
            f"{where}: clip {clip} is not a path below the folder of the corpus; "
            "write it relative to that folder, without '..'"
        )
    if split and split not in SPLITS:
        raise CorpusError(f"{where}: split {split!r}, expected one of {', '.join(SPLITS)}")
    return Row(line.number, **(values | {"clip": str(path) if clip else ""}))


def _check_labels(path: Path, annotations: Annotations) -> None:
    """Refuse labels that stand for none, and spellings that look like one label."""
    counts = Counter(row.label for row in annotations.rows)
    if none := placeholders(counts):
        line = next(row.line for row in annotations.rows if row.label in none)
        listed = ", ".join(f"{label} ({counts[label]})" for label in none)
        raise CorpusError(
            f"{path}, line {line}: labels that read like no label: {listed}; leave the cell empty"
            " to leave the row out, or give the class another name"
        )
    if groups := alike(counts):
        raise CorpusError(
            f"{path}: labels that look alike: {'; '.join(groups)}; write each class in one way"
        )


def _check(path: Path, annotations: Annotations) -> None:
    """Refuse annotations that no system can learn from, or whose splits are ambiguous."""
    rows, classes = annotations.rows, annotations.classes
    if len(classes) < 2:
        listed = ", ".join(classes) or "none"
        raise CorpusError(
            f"{path}: {len(classes)} label{'s' * (not classes)} ({listed}); two or more are needed"
        )
    anonymous = next((row for row in rows if not row.speaker), None)
    if anonymous and any(row.speaker for row in rows):
        raise CorpusError(
            f"{path}, line {anonymous.line}: no speaker, and other rows have one; "
            "name it in every row or in none"
        )
    if annotations.scheme == "given":
        _check_splits(path, annotations)
    elif annotations.folds < len(SPLITS):
        raise CorpusError(f"{path}: {_too_few(annotations)}")


def _too_few(annotations: Annotations) -> str:
    """Units that are too few for folds, and the ways out."""
    speakers = {row.speaker for row in annotations.rows if row.speaker}
    dialogues = {row.dialogue for row in annotations.rows if row.dialogue}
    need = "and train, dev and test need one each; give a split, or name more"
    if not speakers:
        return f"{annotations.folds} dialogues, {need}"
    if not dialogues:
        counts = Counter(row.speaker for row in annotations.rows)
        one = "".join(f" (names that look alike are one: {group})" for group in alike(counts))
        return f"{annotations.folds} speakers{one}, {need}"
    empty = ", or leave the column dialogue empty" if len(speakers) >= len(SPLITS) else ""
    return (
        f"{annotations.folds} groups without a common speaker or dialogue (of {len(speakers)}"
        f" speakers and {len(dialogues)} dialogues), {need} dialogues{empty}"
    )


def _check_splits(path: Path, annotations: Annotations) -> None:
    """Refuse a given split without train, dev or test, or with one class to learn."""
    classes_of = {
        split: {row.label for row in annotations.rows if row.split == split} for split in SPLITS
    }
    if empty := [split for split in SPLITS if not classes_of[split]]:
        hidden = Counter(row.split for row in annotations.unlabelled)
        if any(hidden[split] for split in empty):
            listed = ", ".join(f"{split} ({hidden[split]} rows)" for split in empty)
            raise CorpusError(
                f"{path}: no label in split {listed}; fill them in, or leave the column split"
                " empty for folds, and predict these rows with `merflow predict`"
            )
        raise CorpusError(
            f"{path}: no row of split {', '.join(empty)}; fill it in, or leave the column "
            "empty for folds"
        )
    if len(classes_of["train"]) < 2:
        raise CorpusError(
            f"{path}: all rows of split train have the label {classes_of['train'].pop()}; two or"
            " more labels are needed to learn from"
        )
