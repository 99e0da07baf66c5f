"""Sentences to measure on: MELD's training part where MERFLOW_REAL_DATA points at it, made ones of like length otherwise."""

import csv
import os
from pathlib import Path

import numpy as np

WORDS = [
    "the",
    "a",
    "I",
    "you",
    "we",
    "oh",
    "no",
    "yes",
    "really",
    "what",
    "have",
    "been",
    "wanting",
    "to",
    "see",
    "this",
    "because",
    "it",
    "makes",
    "me",
    "happy",
    "sad",
    "angry",
    "and",
    "then",
    "he",
    "left",
]


def sentences(n: int) -> list[str]:
    """`n` texts in random order."""
    rng = np.random.default_rng(0)
    if "MERFLOW_REAL_DATA" in os.environ:
        with (Path(os.environ["MERFLOW_REAL_DATA"]) / "meld" / "train_sent_emo.csv").open(
            encoding="utf-8"
        ) as file:
            texts = [row["Utterance"] for row in csv.DictReader(file)]
        print(f"{n} utterances of MELD")
    else:
        lengths = np.clip(rng.lognormal(np.log(8), 0.8, size=n), 1, 80).astype(
            int
        )  # median 8 words, 90 of 100 under 23, as in MELD
        texts = [" ".join(rng.choice(WORDS, size)) for size in lengths]
        print(f"{n} made sentences")
    return [texts[i] for i in rng.permutation(len(texts))[:n]]
