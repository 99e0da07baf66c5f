"""Clips per second of our wav2vec2 features against plain loops of transformers.

- ``padded``: batches of 8 in the order of the clips, padded to the longest, as tutorials do with
  ``padding=True``. Models like wav2vec2-base then give other values, because they normalise over
  the padding too. Large models have a mask against that.
- ``one by one``: no padding, exact. Ours does the same work, so the ratio should be 1.
- ``like length``: batches of 8 of like length, which look fastest on paper.

The model has random weights and the shape of wav2vec2-base (or, with --norm layer, of the large
models), with 6 layers instead of 12, which favours no way. Lengths are as in MELD (log-normal, mean
3 s). All take turns, so that other load on the machine meets all.

    OMP_NUM_THREADS=1 python benchmarks/wav2vec2.py --clips 16
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from transformers import (
    AutoFeatureExtractor,
    AutoModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
)
from transformers.utils.logging import disable_progress_bar

from merflow.features.audio import wav2vec2
from merflow.params import Wav2vec2Params

BATCH = 8
LARGE = {
    "hidden_size": 1024,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "do_stable_layer_norm": True,
    "conv_bias": True,
}


def batches(
    clips: list[np.ndarray], order: list[int], size: int, folder: Path
) -> Iterator[tuple[int, np.ndarray]]:
    preprocess = AutoFeatureExtractor.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval()
    for start in range(0, len(order), size):
        members = order[start : start + size]
        inputs = preprocess(
            [clips[i] for i in members], sampling_rate=16_000, padding=True, return_tensors="pt"
        )
        with torch.no_grad():
            states = model(**inputs).last_hidden_state
        for i, rows in zip(members, states, strict=True):
            yield i, rows[: (len(clips[i]) - 400) // 320 + 1].numpy()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--norm", choices=("group", "layer"), default="group")
    arguments = parser.parse_args()
    disable_progress_bar()
    rng = np.random.default_rng(0)
    seconds_of = np.clip(rng.lognormal(np.log(2.4), 0.7, arguments.clips), 0.1, 20)
    clips = [rng.normal(0, 0.1, int(16_000 * seconds)).astype(np.float32) for seconds in seconds_of]
    natural = list(range(len(clips)))
    like = sorted(natural, key=lambda i: len(clips[i]))
    seconds: dict[str, list[float]] = {}
    values: dict[str, dict[int, np.ndarray]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        torch.manual_seed(0)
        large = LARGE if arguments.norm == "layer" else {}
        sizes = {"num_hidden_layers": arguments.layers, "feat_extract_norm": arguments.norm}
        Wav2Vec2Model(Wav2Vec2Config(**sizes, **large)).save_pretrained(folder)
        mask = arguments.norm == "layer"
        Wav2Vec2FeatureExtractor(return_attention_mask=mask).save_pretrained(folder)
        ways: dict[str, Callable[[], Iterator[tuple[int, np.ndarray]]]] = {
            "padded": lambda: batches(clips, natural, BATCH, folder),
            "one by one": lambda: batches(clips, natural, 1, folder),
            "like length": lambda: batches(clips, like, BATCH, folder),
            "merflow": lambda: enumerate(
                wav2vec2.extract([clips], Wav2vec2Params(output="frames"), folder)
            ),
        }
        for _ in range(arguments.rounds):
            for name, way in ways.items():
                start = time.perf_counter()
                values[name] = dict(way())
                seconds.setdefault(name, []).append(time.perf_counter() - start)
    ours = statistics.median(seconds["merflow"])
    for name, times in seconds.items():
        error = max(np.abs(values[name][i] - values["one by one"][i]).max() for i in natural)
        median = statistics.median(times)
        print(
            f"{name:12} {len(clips) / median:5.2f} clips/s, merflow is {median / ours:.2f} times "
            f"as fast, values differ by {error:.0e}"
        )
    print(
        f"{len(clips)} clips, {seconds_of.mean():.1f} s on average, {torch.get_num_threads()} "
        f"threads, {arguments.rounds} rounds"
    )


if __name__ == "__main__":
    main()
