"""Chance by name: every drawing depends on what it is for, never on the order of calls."""

import hashlib

import numpy as np

SEED = 2019  # of all demo corpora; another number gives other corpora


def chance(*purpose: str) -> np.random.Generator:
    """A generator of its own for each `purpose`, such as corpus, utterance and what is drawn."""
    digest = hashlib.sha256("/".join(purpose).encode()).digest()
    return np.random.default_rng([SEED, int.from_bytes(digest[:8], "big")])
