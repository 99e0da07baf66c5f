"""How a corpus is shared out among parallel jobs without changing what they make.

Which items are computed together may change the last bits of a float. So utterances, sorted by id, are cut into blocks
that depend on the corpus alone; a shard is a run of neighbouring blocks, and shards joined in order give the whole.
"""

from collections.abc import Sequence

BLOCK = 256  # utterances


def blocks(ids: Sequence[str], size: int = BLOCK) -> list[list[str]]:
    """`ids`, sorted, in blocks of `size`."""
    ordered = sorted(ids)
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


def share(n_blocks: int, shard: int, shards: int) -> range:
    """Numbers of the blocks of shard `shard` (from 0) of `shards`."""
    return range(shard * n_blocks // shards, (shard + 1) * n_blocks // shards)
