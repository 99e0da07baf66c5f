"""The few lines of training that all demo networks share: seeded, on one thread, the same bytes every time on one machine."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn
from transformers.utils import logging

SEED = 1

logging.disable_progress_bar()  # of files that are saved in no time


@contextmanager
def repeatable() -> Iterator[None]:
    """Inside, torch draws the same numbers and adds in the same order every time; afterwards it is as it was."""
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
    number: int,
    steps: int,
    batch: int,
    learning_rate: float,
) -> None:
    """Train `network`, in place, with AdamW and one cycle of the learning rate, and leave it in evaluation mode.

    Args:
        network: what is trained.
        loss: of the examples with these numbers.
        number: of examples.
        steps: batches.
        batch: examples in one.
        learning_rate: at its highest.
    """
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, learning_rate, total_steps=steps, pct_start=0.2
    )
    rng = np.random.default_rng(SEED)
    network.train()
    for _ in range(steps):
        optimizer.zero_grad()
        loss(rng.choice(number, batch, replace=False)).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    network.eval()
