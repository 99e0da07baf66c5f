"""Defects of names in a custom corpus: look-alike speakers, absent classes."""

from collections import Counter
from itertools import product

from merflow.artifacts import Defect
from merflow.corpora.annotations import SPLITS, Annotations
from merflow.corpora.label_names import alike

#: Split -> treatment of a class that it lacks.
LACKING = {
    "train": "kept; no system learns it",
    "dev": "kept; epochs are selected without it",
    "test": "kept; it has no precision, recall or F1",
}


def names_alike(annotations: Annotations) -> list[Defect]:
    """List speakers, and dialogues, that may be one: their names look alike."""
    named = {
        "speakers": Counter(row.speaker for row in annotations.rows if row.speaker),
        "dialogues": Counter(row.dialogue for row in annotations.rows if row.dialogue),
    }
    together = {annotations.scheme} & {"speakers"}  # folds do not part speakers that look alike
    return [
        Defect(
            None,
            f"{kind} look alike",
            group,
            "kept in one split" if kind in together else f"kept as several {kind}",
        )
        for kind, counts in named.items()
        for group in alike(counts)
    ]


def absent_classes(annotations: Annotations) -> list[Defect]:
    """List classes without an utterance in train, dev or test.

    Folds are tested together, so train and dev alone count where there are several.
    """
    labels, folds = [row.label for row in annotations.rows], annotations.splits
    sizes = Counter(labels)
    present = {
        (label, split, fold)
        for fold, splits in enumerate(folds)
        for label, split in zip(labels, splits, strict=True)
    }
    defects = []
    for name, split in product(sorted(sizes), SPLITS if len(folds) == 1 else SPLITS[:2]):
        lacking = [str(fold) for fold in range(len(folds)) if (name, split, fold) not in present]
        if lacking:
            plural = "s" if len(lacking) > 1 else ""
            numbers = f", in fold{plural} {', '.join(lacking)} of {len(folds)}"
            where = numbers if len(folds) > 1 else ""
            detail = f"{name} ({sizes[name]} in all){where}"
            defects.append(Defect(None, f"class absent from {split}", detail, LACKING[split]))
    return defects
