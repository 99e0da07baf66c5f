"""Fixtures of the tests of checkpoints."""

import pytest
import torch


@pytest.fixture(autouse=True)
def nondeterministic():
    """Undo what a training in the same process switched on: makers run in processes of their own."""
    deterministic = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(False)
    yield
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
