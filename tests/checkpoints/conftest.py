"""Fixtures of the tests of checkpoints."""

import pytest
import torch


@pytest.fixture(autouse=True)
def nondeterministic():
    """Undo what an earlier training in this process switched on; makers have their own process."""
    deterministic = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(False)
    yield
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
