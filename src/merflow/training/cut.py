"""Record of what a longest length cuts off an input."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from merflow.progress import log


class Cut(NamedTuple):
    """Number of cut utterances, and share of all frames, or samples, that was cut off."""

    utterances: int
    share: float


def cut_of(lengths: Sequence[int], longest: int, limit: str) -> Cut:
    """Count what is cut off, and say so in the log.

    Args:
        lengths: of each utterance, whole.
        longest: number of frames, or samples, that are kept.
        limit: the same in words.
    """
    over = np.maximum(np.asarray(lengths) - longest, 0)
    cut = Cut(int((over > 0).sum()), float(over.sum() / max(sum(lengths), 1)))
    if cut.utterances:
        log.info(
            "%d of %d utterances are longer than %s and were cut (%.1f %% of all)",
            *(cut.utterances, len(lengths), limit, 100 * cut.share),
        )
    return cut
