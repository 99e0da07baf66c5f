"""Random numbers by purpose: a draw does not depend on the order of calls."""

import hashlib

import numpy as np

SEED = 2019  # of all demo corpora


def chance(*purpose: str) -> np.random.Generator:
    """Make the generator of a purpose, such as corpus, utterance and name of the draw."""
    digest = hashlib.sha256("/".join(purpose).encode()).digest()
    return np.random.default_rng([SEED, int.from_bytes(digest[:8], "big")])
