import pandas as pd
import pytest
import yaml

from merflow import artifacts
from merflow.tables.audit import text_rules
from merflow.tables.audit.case import case_of
from merflow.tables.claims import load_claims
from merflow.tables.comparison import Comparison

GAINS = """
    text all_gain  late_fusion&early_fusion gain   - test {} points
    text best_gain early_fusion             gain   - test 2.47 points
    text spread    late_fusion&early_fusion spread - test 1.5 points
"""


def test_all_cannot_gain_more_than_the_worst(make_case):
    (found,) = text_rules.worst_gain(make_case(GAINS.format("2"), corpus="mosei")).findings
    assert (found.off, found.sure) == ("+1.03 points", "likely") and found.expected.startswith(
        "at most 0.97 points"
    )
    looked = text_rules.worst_gain(make_case(GAINS.format("1"), corpus="mosei"))
    assert (looked.numbers, looked.findings) == (3, [])


@pytest.fixture
def claimed(printed, tmp_path):
    """What the rule finds of the claim that the product fusion beats TFN."""

    def look(ours, cited, metric="accuracy", note=""):
        part = "dev" if metric == "loss" else "test"
        unit = "number" if metric == "loss" else "percent"
        lines = f"1 a late_product {metric} - {part} {ours} {unit}\n1 b late_average {metric} - {part} {cited} {unit}"
        rows = printed(
            lines + "\n1 a late_product accuracy - dev 99.0 percent" * (metric == "accuracy"),
            corpus="iemocap",
        )
        rule = {
            "kind": "order",
            "better": ["late_product"],
            "than": ["late_average"],
            "metrics": [metric],
        }
        claim = {
            "id": "a",
            "claim": "Better.",
            "quote": "better",
            "where": "5.4",
            "corpora": ["iemocap"],
            "decided_by": rule,
            "note": note,
        }
        (tmp_path / "joint_cnn.claims.yaml").write_text(yaml.safe_dump([claim]))
        view = Comparison(
            "joint_cnn", "iemocap", rows, pd.DataFrame(columns=artifacts.SCORES.names), 0.95
        )
        return text_rules.claims(case_of(rows, (), view, load_claims(tmp_path, "joint_cnn", rows)))

    return look


def test_a_claim_against_the_numbers_beside_it_is_found(claimed):
    assert (claimed("60.1", "59.6").numbers, claimed("60.1", "59.6").findings) == (2, [])
    (found,) = claimed("59.6", "59.8").findings
    assert (found.printed, found.where, found.expected) == (
        "late_product 59.6 %, late_average 59.8 % (accuracy)",
        "5.4",
        "Better.",
    )
    assert (found.off, found.sure) == ("\N{MINUS SIGN}0.20 points", "certain")
    assert claimed("59.6", "59.8", note="read so").findings[0].sure == "likely"


def test_numbers_that_may_be_equal_decide_no_claim(claimed):
    assert claimed("59.6", "59.6").findings == []
    assert claimed("59.6", "59.7").findings == []  # 59.69, cut, and 59.66, rounded
    assert [one.off for one in claimed("1.0", "1.3", "loss").findings] == ["-0.3000"]
