"""A checkout for the step checkpoint."""

import pytest
import torch
from support.checkpoint_step import Checkout

from merflow.corpora import resume


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr(resume, "PAUSE_S", 0.001)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def checkout(tmp_path):
    checkout = Checkout(tmp_path / "checkout")
    yield checkout
    if checkout.out.parent.exists():
        names = [path.name for path in checkout.out.parent.iterdir()]
        assert names == (["x"] if checkout.out.exists() else [])


@pytest.fixture(autouse=True)
def nondeterministic():
    """Undo what an earlier training in this process switched on; makers have their own process."""
    deterministic = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(False)
    yield
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
