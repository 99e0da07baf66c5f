"""Utterances per second of training class_weight_lstm's bank of six LSTMs against a plain loop.

The plain loop is a first script: one network of torch.nn.LSTM per emotion, a DataLoader that gives
one utterance at a time, torch.optim.Adam with its defaults. The bank trains the same six networks
together, in padded batches of utterances of like length. An utterance counts once all six networks
have seen it. The plain loop gets every eighth utterance. The two take turns, so that other load on
the machine meets both. Lengths are made: the segments of CMU-MOSEI (median 6.5 s, nine of ten under
13.5 s) at a supposed 2.5 words per second.

    OMP_NUM_THREADS=1 python benchmarks/lstm_bank.py
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader

from merflow.papers.class_weight_lstm import SYSTEMS, Lstm
from merflow.training.batches import Examples, batches, shuffled

DIMS = {"visual": 35, "acoustic": 74, "language": 300}
EMOTIONS = 6
DENSE = 32
EVERY = 8  # utterance for the plain loop


class Plain(nn.Module):
    def __init__(self, dim: int, layers: int, units: int):
        super().__init__()
        self.lstm = nn.LSTM(dim, units, layers, batch_first=True)
        self.dense, self.output = nn.Linear(units, DENSE), nn.Linear(DENSE, 1)

    def forward(self, words: Tensor) -> Tensor:
        states, _ = self.lstm(words)
        return self.output(self.dense(states[:, -1]).relu()).squeeze(1)


def plain(networks: list[Plain], train: Examples) -> None:
    arrays = list(zip(*train.inputs.values(), strict=True))[::EVERY]
    words = [torch.from_numpy(np.concatenate(values, axis=1)) for values in arrays]
    for emotion, network in enumerate(networks):
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
        data = list(zip(words, train.labels[::EVERY, emotion], strict=True))
        for sequence, label in DataLoader(data, batch_size=1, shuffle=True):  # type: ignore[arg-type]
            binary_cross_entropy_with_logits(network(sequence), label).backward()
            optimizer.step()
            optimizer.zero_grad()


def bank(network: Lstm, train: Examples, batch_size: int) -> None:
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.0, fused=True)
    for batch in batches(train, shuffled(train, batch_size, (1, 1))):
        losses = binary_cross_entropy_with_logits(
            network(batch), batch.labels, reduction="none"
        ).mean(dim=0)
        losses.sum().backward()
        optimizer.step()
        optimizer.zero_grad()


def timed(act: Callable[[], None]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--utterances", type=int, default=768)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--units", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()

    rng = np.random.default_rng(1)
    n, layers, units = arguments.utterances, arguments.layers, arguments.units
    lengths = np.maximum(2.5 * rng.lognormal(np.log(6.5), 0.57, n), 1).astype(int)
    labels = rng.integers(0, 2, (n, EMOTIONS)).astype(np.float32)
    words = {
        name: [rng.normal(size=(length, dim)).astype(np.float32) for length in lengths]
        for name, dim in DIMS.items()
    }
    words_each = f"{lengths.min()} to {lengths.max()} words, mean {lengths.mean():.1f}"
    print(f"{n} utterances of {words_each}; {torch.get_num_threads()} threads")
    for system in ("acoustic", "early_fusion"):
        names = SYSTEMS[system].inputs
        dims = {name: DIMS[name] for name in names}
        train = Examples([str(i) for i in range(n)], {name: words[name] for name in names}, labels)
        together = Lstm(dims, EMOTIONS, layers, units, DENSE, dropout=0.0)
        networks = [Plain(sum(dims.values()), layers, units) for _ in range(EMOTIONS)]
        for emotion, network in enumerate(networks):  # the state is a slice of the bank's
            state = {name: value[emotion] for name, value in together.state_dict().items()}
            network.load_state_dict(state)
        seconds = [
            (
                timed(partial(plain, networks, train)),
                timed(partial(bank, together, train, arguments.batch_size)),
            )
            for _ in range(arguments.rounds)
        ]
        theirs, ours = map(min, zip(*seconds, strict=True))
        plain_speed, bank_speed = -(-n // EVERY) / theirs, n / ours
        print(
            f"{system:13} plain {plain_speed:6.1f} utterances/s, bank {bank_speed:6.1f} "
            f"utterances/s, ratio {bank_speed / plain_speed:5.2f} (best of {arguments.rounds})"
        )


if __name__ == "__main__":
    main()
