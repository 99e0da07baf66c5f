"""Folds of a custom corpus without given splits, and their units.

No fold divides a unit. There are two schemes:
    ``speakers``: a unit is a connected component of speakers and dialogues. A row ties its speaker
    to its dialogue, so that neither is in two splits.
    ``dialogues``: a unit is a dialogue, and a speaker may be in all splits. It is for rows without
    speakers, and for components that make no folds: fewer than three, or one that has more than
    half of the rows. Three dialogues or more are named then.

Only labelled rows count, because no other row is trained on or scored. The module needs only the
standard library, because the Snakefile asks for the number of folds at every start.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from merflow.corpora.label_names import spelling
from merflow.corpora.schemes import CUSTOM

if TYPE_CHECKING:
    from merflow.corpora.annotations import Row

MIN_UNITS = 3  # train, dev and test
MAX_SHARE = 0.5  # of the rows, in one component

#: Kind and name, because a speaker and a dialogue may have one name; sorts speakers first.
Unit = tuple[int, str]
_SPEAKER, _DIALOGUE = 0, 1


@dataclass(frozen=True)
class Folding:
    """Folds of the rows.

    Attributes:
        scheme: ``speakers`` or ``dialogues``.
        components: connected component of each row.
        fold_of: fold of each row.
    """

    scheme: str
    components: list[Unit]
    fold_of: list[int]

    @property
    def n_folds(self) -> int:
        """Number of folds; none is empty."""
        return len(set(self.fold_of))

    def splits(self, fold: int) -> list[str]:
        """Split of each row in one fold of the scheme.

        Args:
            fold: the one that is test; the next one is dev, and the others are train.
        """
        names = {fold: "test", (fold + 1) % self.n_folds: "dev"}
        return [names.get(other, "train") for other in self.fold_of]


def fold_rows(rows: "Sequence[Row]") -> Folding:
    """Choose the scheme and deal the units into folds: five, or as many as units.

    Args:
        rows: all labelled ones.
    """
    components = _components(rows)
    scheme = "dialogues" if _is_by_dialogue(rows, components) else "speakers"
    units = components
    if scheme == "dialogues":
        units = [(_DIALOGUE, row.dialogue_id) for row in rows]
    fold_of = _deal(units, [row.label for row in rows], CUSTOM[scheme].folds)
    return Folding(scheme, components, [fold_of[unit] for unit in units])


def _components(rows: "Sequence[Row]") -> list[Unit]:
    """Connected component of each row, named by the first of its speakers and dialogues.

    Speakers whose names look alike are one here: that parts nobody.
    """
    parent: dict[Unit, Unit] = {}

    def root(unit: Unit) -> Unit:
        while (above := parent.setdefault(unit, unit)) != unit:
            parent[unit] = parent[above]  # halves the way for the next search
            unit = above
        return unit

    for row in rows:
        ends = [root((_DIALOGUE, row.dialogue_id))]
        if row.speaker:
            ends.append(root((_SPEAKER, spelling(row.speaker))))
        parent[max(ends)] = min(ends)
    return [root((_DIALOGUE, row.dialogue_id)) for row in rows]


def _is_by_dialogue(rows: "Sequence[Row]", components: list[Unit]) -> bool:
    if not any(row.speaker for row in rows):
        return True
    sizes = Counter(components)
    too_few = len(sizes) < MIN_UNITS or max(sizes.values()) > MAX_SHARE * len(rows)
    return too_few and len({row.dialogue for row in rows if row.dialogue}) >= MIN_UNITS


def _deal(units: list[Unit], labels: list[str], n_folds: int) -> dict[Unit, int]:
    """Put each unit into the smallest fold, the largest unit first.

    Of equally small folds, it is the one with the fewest rows of the unit's classes. Units of one
    size and of the same classes follow each other, so that they come to different folds.
    """
    contents: dict[Unit, Counter[str]] = defaultdict(Counter)
    for unit, label in zip(units, labels, strict=True):
        contents[unit][label] += 1
    order = {
        unit: (-of_unit.total(), sorted(of_unit.items()), _hash(unit))
        for unit, of_unit in contents.items()
    }
    folds = [Counter[str]() for _ in range(min(n_folds, len(contents)))]
    fold_of = {}
    for unit in sorted(order, key=order.__getitem__):
        of_unit = contents[unit]
        loads = [
            (fold.total(), sum(fold[label] * n for label, n in of_unit.items())) for fold in folds
        ]
        fold_of[unit] = loads.index(min(loads))
        folds[fold_of[unit]].update(of_unit)
    return fold_of


def _hash(unit: Unit) -> str:
    """Order of units of one size that follows from nothing but their names."""
    return hashlib.sha256(f"{unit[0]} {unit[1]}".encode()).hexdigest()
