import math

import pytest

from merflow.evaluation.corrections import with_corrected


def corrected(rows, *family):
    return [row["p_corrected"] for row in with_corrected(rows, *family)]


def test_p_values_are_corrected_as_benjamini_and_hochberg_print():
    """p times the number of tests over its rank, and never below that of a smaller p."""
    rows = [{"p": p} for p in (0.04, 0.001, 0.03, 0.5)]
    assert corrected(rows) == pytest.approx([0.04 * 4 / 3, 0.004, 0.04 * 4 / 3, 0.5])


def test_families_are_corrected_apart_and_one_test_not_at_all():
    rows = [{"p": 0.01, "metric": metric} for metric in ("uar", "uar", "accuracy")]
    rows[1]["p"] = 0.9
    assert corrected(rows, "metric") == pytest.approx([0.02, 0.9, 0.01])


def test_a_missing_p_stays_missing_and_does_not_count():
    one, two, none = corrected([{"p": 0.01}, {"p": 0.02}, {"p": math.nan}])
    assert (one, two) == pytest.approx((0.02, 0.02)) and math.isnan(none)
    assert corrected([{"p": None}]) == [None] and corrected([]) == []
