"""Sentences to measure on: MELD's train split in MERFLOW_REAL_DATA, made ones without it."""

import csv
import os
from pathlib import Path

import numpy as np

TEXT = (
    "the a I you we oh no yes really what have been wanting to see this because it makes me happy "
    "sad angry and then he left"
)
WORDS = TEXT.split()


def sentences(n: int) -> list[str]:
    """`n` texts in random order."""
    rng = np.random.default_rng(0)
    if "MERFLOW_REAL_DATA" in os.environ:
        path = Path(os.environ["MERFLOW_REAL_DATA"]) / "meld" / "train_sent_emo.csv"
        with path.open(encoding="utf-8") as file:
            texts = [row["Utterance"] for row in csv.DictReader(file)]
        print(f"{n} utterances of MELD")
    else:
        # median 8 words, 90 of 100 under 23, as in MELD
        lengths = np.clip(rng.lognormal(np.log(8), 0.8, size=n), 1, 80).astype(int)
        texts = [" ".join(rng.choice(WORDS, size)) for size in lengths]
        print(f"{n} made sentences")
    return [texts[i] for i in rng.permutation(len(texts))[:n]]
