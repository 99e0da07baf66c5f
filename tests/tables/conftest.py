"""Fixtures of tables: scores made by hand, and a writer of them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.score_tables import scores_of

from merflow.evaluation.scored import Scores


@pytest.fixture
def make_scores() -> Callable[..., Scores]:
    return scores_of


@pytest.fixture
def write_scores(tmp_path: Path) -> Callable[[Scores], Path]:
    """Write results/scores as the step ``score`` would; return the folder."""

    def write(scores: Scores) -> Path:
        scores.write(tmp_path / "scores")
        return tmp_path / "scores"

    return write
