"""Facts of training from run.json: rows of artifacts.SCORES.

Fusions and published models have none. The others have:
  batch_size,      of a system (split train)
  learning_rate,
  weight_decay
  selected_epoch   of each component of each run (split dev)
  loss             in the selected epoch, of a network for all classes; on train the mean while the
                   epoch trained, on dev after it. Of each run, of each seed (mean of folds weighted
                   by their utterances), and mean and standard deviation over seeds
  epoch_score      on dev after the first and the last epoch, of a network for all classes, as loss
  tokens           of a compressing network, in each later stage and in all (split test, mean over
                   runs)
  clip_s           seconds in which a compressing network computes for a clip (split test, mean over
                   runs)
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd

from merflow.evaluation.metrics import (
    CLIP_S,
    EPOCH_SCORE,
    FIRST_EPOCH,
    LAST_EPOCH,
    LOSS,
    SELECTED_EPOCH,
    SETTINGS,
    TOKENS,
)
from merflow.evaluation.results import Result, n_utterances
from merflow.evaluation.system_scores import Row, about
from merflow.records import Epoch, Run

Fact = Callable[[Run], float | None]


def _selected(run: Run) -> Epoch:
    """The scored epoch of a network for all classes."""
    (selected,) = run.selected_epochs
    return next(epoch for epoch in run.history if epoch.epoch == selected)


#: Split -> its facts of a run, by metric and class.
FACTS: dict[str, dict[tuple[str, str | None], Fact]] = {
    "train": {(LOSS, None): lambda run: _selected(run).train_loss},
    "dev": {
        (LOSS, None): lambda run: _selected(run).loss,
        (EPOCH_SCORE, FIRST_EPOCH): lambda run: run.history[0].score,
        (EPOCH_SCORE, LAST_EPOCH): lambda run: run.history[-1].score,
    },
}


def training_rows(result: Result, scope: pd.DataFrame) -> Iterator[Row]:
    """Facts of the training of a system; none where nothing was trained.

    Args:
        result: of the system.
        scope: all utterances in scope (merflow.evaluation.prepared).
    """
    for metric, value in result.record.params.get("training", {}).items():
        if metric in SETTINGS:
            yield about(result, split="train", metric=metric, value=value, n=1)
    runs = [run for run in result.record.runs if run.selected_epochs]
    for run in runs:
        place = {"fold": run.fold, "seed": run.seed, "split": "dev"}
        classes = result.task.component_classes(len(run.selected_epochs))
        for name, epoch in zip(classes, run.selected_epochs, strict=True):
            row = about(result, **place, metric=SELECTED_EPOCH, value=epoch, n=1)
            yield {**row, "class": name}
    yield from _compression_rows(result, runs)
    if runs and not result.task.multi_label:
        trained_on = scope[~scope["utterance_id"].isin(result.left_out)]
        sizes = trained_on.groupby(["split", "fold"]).size()
        for split in dict.fromkeys(split for split, _ in sizes.index if split != "test"):
            for (metric, name), fact in FACTS[split].items():
                named = {**about(result, split=split, metric=metric), "class": name}
                yield from _fact_rows(named, runs, fact, sizes[split])


def _compression_rows(result: Result, runs: Sequence[Run]) -> Iterator[Row]:
    """Tokens and time of a network that compresses frames."""
    tokens = [run.tokens for run in runs if run.tokens is not None]
    if not tokens:
        return
    named = about(result, split="test", n=n_utterances(result.counts("test")))
    stages = np.mean(tokens, axis=0)
    yield {**named, "metric": TOKENS, "value": stages.sum()}
    for number, value in enumerate(stages, 2):
        yield {**named, "metric": TOKENS, "class": f"stage {number}", "value": value}
    seconds = [run.clip_s for run in runs if run.clip_s is not None]
    yield {**named, "metric": CLIP_S, "value": np.mean(seconds)}


def _fact_rows(named: Row, runs: Sequence[Run], fact: Fact, sizes: pd.Series) -> Iterator[Row]:
    """A fact of each run, of each seed and of all.

    Args:
        named: columns that all rows share.
        runs: with one selected epoch each.
        fact: value of a run.
        sizes: utterances of the split, by fold.
    """
    of_seeds: dict[int, list[tuple[float | None, int]]] = {}
    for run in runs:
        value = fact(run)
        of_seeds.setdefault(run.seed, []).append((value, sizes[run.fold]))
        place = {"fold": run.fold, "seed": run.seed}
        yield {**named, **place, "value": value, "n": sizes[run.fold]}
    means = []
    for seed in sorted(of_seeds):
        values, n = zip(*of_seeds[seed], strict=True)
        means.append(np.average(values, weights=n))
        yield {**named, "fold": None, "seed": seed, "value": means[-1], "n": sum(n)}
    std = np.std(means, ddof=1) if len(means) > 1 else np.nan
    yield {**named, "value": np.mean(means), "std": std, "n": sum(n)}
