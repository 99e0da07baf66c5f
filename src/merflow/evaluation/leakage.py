"""What a test part shares with the train part of its fold: from the corpus and its split alone, whatever system is trained."""

from collections.abc import Callable

import pandas as pd

#: Metric -> what is compared: a column of artifacts.UTTERANCES, or its id; null is shared with nobody.
SHARED: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "shares_clip": lambda rows: rows["utterance_id"],
    "shares_origin": lambda rows: rows["origin"],
    "shares_text": lambda rows: rows["text"],
    "shares_dialogue": lambda rows: rows["dialogue_id"],
    "shares_speaker": lambda rows: rows["speaker"].replace(
        "", None
    ),  # empty: annotations of one's own that name none
}


def shared(rows: pd.DataFrame) -> dict[str, int]:
    """Count test rows that have a counterpart in the train part of their fold, by metric; all folds together.

    Args:
        rows: of a split scheme in scope: utterance_id, fold, split, and origin, text, dialogue_id, speaker of artifacts.UTTERANCES.
    """
    folds, splits = rows["fold"].tolist(), rows["split"].tolist()
    counts = {}
    for metric, of in SHARED.items():
        marks = [
            (fold, mark, split)
            for fold, mark, split in zip(folds, of(rows).tolist(), splits, strict=True)
            if isinstance(mark, str)
        ]
        train = {(fold, mark) for fold, mark, split in marks if split == "train"}
        counts[metric] = sum(
            split == "test" and (fold, mark) in train for fold, mark, split in marks
        )
    return counts
