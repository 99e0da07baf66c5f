"""Facts of a corpus under a protocol, from labels and splits alone: rows of CORPORA.

They are:
  count          utterances of a split in scope, of all classes or of each; mean over folds
  clips          utterances of a split in scope that have a clip; mean over folds
  absent_share,  shares of a split without a class and with it, all folds together (multi-label)
  present_share
  shares_*       test rows that share something with the train split of their fold, all folds
                 together (merflow.evaluation.leakage)
"""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from merflow.evaluation.leakage import shared
from merflow.evaluation.metrics import CLIPS, COUNT
from merflow.evaluation.results import Result


def corpus_rows(
    result: Result, scope: pd.DataFrame, utterances: pd.DataFrame
) -> Iterator[dict[str, Any]]:
    """Facts of the utterances that are in scope of a task.

    Args:
        result: of any system with the task.
        scope: all utterances in scope (merflow.evaluation.prepared).
        utterances: of the corpus, by utterance_id.
    """
    record, task = result.record, result.task
    named = {name: getattr(record, name) for name in ("paper", "corpus", "source", "protocol")}
    on_test = {**named, "split": "test", "n": int((scope["split"] == "test").sum())}
    compared = scope.join(utterances[["origin", "text", "speaker"]], on="utterance_id")
    for fact, count in shared(compared).items():
        yield {**on_test, "fact": fact, "value": count}
    with_clip = utterances["clip"].dropna().index
    for split, rows in scope.groupby("split"):
        on_split = {**named, "split": split, "n": len(rows)}
        n_folds, labels = rows["fold"].nunique(), rows["label"].to_numpy()
        yield {**on_split, "fact": COUNT, "value": len(rows) / n_folds}
        n_clips = rows["utterance_id"].isin(with_clip).sum()
        yield {**on_split, "fact": CLIPS, "value": n_clips / n_folds}
        for name, count in task.class_counts(labels).items():
            yield {**on_split, "fact": COUNT, "class": name, "value": count / n_folds}
        for (fact, name), share in task.balance(labels).items():
            yield {**on_split, "fact": fact, "class": name, "value": share}
