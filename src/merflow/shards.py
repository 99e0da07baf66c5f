"""Shares of a corpus for parallel jobs.

The result is the same for any number of jobs. Which items are computed together may change the last
bits of a float. So utterances, sorted by id, are cut into blocks that depend on the corpus alone. A
shard is a run of neighbouring blocks, and the shards in order are the whole.
"""

from collections.abc import Sequence

BLOCK = 256  # utterances


def blocks(ids: Sequence[str], size: int = BLOCK) -> list[list[str]]:
    """Cut `ids`, sorted, into blocks of `size`."""
    ordered = sorted(ids)
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


def share(n_blocks: int, shard: int, shards: int) -> range:
    """Numbers of the blocks of a shard.

    Args:
        n_blocks: number of all blocks.
        shard: number of the shard, from 0.
        shards: number of shards.
    """
    return range(shard * n_blocks // shards, (shard + 1) * n_blocks // shards)
