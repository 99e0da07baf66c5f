"""Seeds: a run repeats to the bit on one machine with one number of threads."""

import os
import random

import numpy as np
import torch


def deterministic() -> None:
    """Let torch choose kernels that repeat; where a device has none, it warns."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a debugging aid that costs time


def seed_all(*numbers: int) -> None:
    """Seed every generator from `numbers`, for example (seed, epoch)."""
    state = int(np.random.SeedSequence(numbers).generate_state(1)[0])
    random.seed(state)
    np.random.seed(state)  # noqa: NPY002  (libraries draw from the global one)
    torch.manual_seed(state)  # every device's too
