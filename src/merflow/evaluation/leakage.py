"""Leakage: test rows that share something with the train split of their fold."""

from collections.abc import Callable

import pandas as pd

#: Fact -> what is compared: the id or a column of artifacts.UTTERANCES. Null is shared by nobody.
SHARED: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "shares_clip": lambda rows: rows["utterance_id"],
    "shares_origin": lambda rows: rows["origin"],
    "shares_text": lambda rows: rows["text"],
    "shares_dialogue": lambda rows: rows["dialogue_id"],
    "shares_speaker": lambda rows: rows["speaker"].replace("", None),
}


def shared(rows: pd.DataFrame) -> dict[str, int]:
    """Count test rows with a counterpart in train, all folds together.

    Args:
        rows: in scope of a split scheme: utterance_id, fold, split, and origin, text, dialogue_id,
            speaker of artifacts.UTTERANCES.

    Returns:
        Count by fact. Without any speaker, as in a custom corpus that names none,
        ``shares_speaker`` is unknown and left out.
    """
    folds, splits = rows["fold"].tolist(), rows["split"].tolist()
    counts = {}
    for fact, compared in SHARED.items():
        marks = [
            (fold, mark, split)
            for fold, mark, split in zip(folds, compared(rows).tolist(), splits, strict=True)
            if isinstance(mark, str)
        ]
        if fact == "shares_speaker" and not marks:
            continue
        train = {(fold, mark) for fold, mark, split in marks if split == "train"}
        counts[fact] = sum(split == "test" and (fold, mark) in train for fold, mark, split in marks)
    return counts
