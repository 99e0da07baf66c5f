"""Fixtures of tables: scores made by hand, and a writer of them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support import REPORTED
from support.judged_claims import claim_of
from support.score_tables import comparison_of, scores_of

from merflow.evaluation.scored import Scores
from merflow.tables.reported import load
from merflow.tables.verdicts import judge


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


@pytest.fixture
def emotions(make_scores):
    """A comparison of class_weight_lstm, and a judge of a rule.

    Args of the fixture: figures of systems, and printed UA in percent by system, if any.
    """

    def make(systems, printed=None, **changes):
        numbers = load(REPORTED, "class_weight_lstm")
        uar = (numbers["class"] == "") & (numbers["metric"] == "uar")
        for system, percent in (printed or {}).items():
            columns = ["value", "number", "share", "decimals"]
            values = [str(percent), percent, percent / 100, 2]
            numbers.loc[uar & (numbers["system"] == system), columns] = values
        scores = make_scores(systems, paper="class_weight_lstm", corpus="mosei", **changes)
        comparison = comparison_of("class_weight_lstm", "mosei", numbers, scores)
        return comparison, lambda **rule: judge(comparison, claim_of(**rule), "clean")

    return make
