"""Training loop of the demo networks, reproducible to the byte.

It is seeded and runs on one thread, so it gives the same bytes on one machine.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn
from transformers.utils import logging

SEED = 1

logging.disable_progress_bar()  # the files are saved in no time


@contextmanager
def repeatable() -> Iterator[None]:
    """Make torch draw the same numbers and add in the same order inside the block.

    Afterwards, torch has its earlier state and settings.
    """
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=[]):
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(True)
        torch.manual_seed(SEED)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(strict)


def fit(
    network: nn.Module,
    loss: Callable[[np.ndarray], torch.Tensor],
    n_examples: int,
    steps: int,
    batch: int,
    learning_rate: float,
) -> None:
    """Train `network` in place with AdamW and one cycle of the learning rate.

    The network is in evaluation mode afterwards.

    Args:
        network: network to train.
        loss: computes the loss of the examples with the given numbers.
        n_examples: number of examples.
        steps: number of batches.
        batch: examples per batch.
        learning_rate: maximum of the learning rate.
    """
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, learning_rate, total_steps=steps, pct_start=0.2
    )
    rng = np.random.default_rng(SEED)
    network.train()
    for _ in range(steps):
        optimizer.zero_grad()
        loss(rng.choice(n_examples, batch, replace=False)).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    network.eval()
