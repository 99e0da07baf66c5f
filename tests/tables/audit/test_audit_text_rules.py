import pytest
import yaml
from support.score_tables import comparison_of, no_scores

from merflow.tables.audit import text_rules
from merflow.tables.audit.case import case_of
from merflow.tables.claims import load_claims

GAINS = """
    text all_gain  late_fusion&early_fusion gain   - test {} points
    text best_gain early_fusion             gain   - test 2.47 points
    text spread    late_fusion&early_fusion spread - test 1.5 points
"""


def test_all_cannot_gain_more_than_the_worst(make_case):
    (finding,) = text_rules.worst_gain(make_case(GAINS.format("2"), corpus="mosei")).findings
    assert (finding.off, finding.confidence) == ("+1.03 points", "likely")
    assert finding.expected.startswith("at most 0.97 points")
    result = text_rules.worst_gain(make_case(GAINS.format("1"), corpus="mosei"))
    assert (result.numbers, result.findings) == (3, [])


@pytest.fixture
def check_claim(printed, tmp_path):
    """Check the claim that the product fusion beats the average."""

    def check(ours, cited, metric="accuracy", note=""):
        split, unit = ("dev", "number") if metric == "loss" else ("test", "percent")
        lines = [
            f"1 a late_product {metric} - {split} {ours} {unit}",
            f"1 b late_average {metric} - {split} {cited} {unit}",
        ]
        if metric == "accuracy":  # another split plays no part
            lines.append("1 a late_product accuracy - dev 99.0 percent")
        rows = printed("\n".join(lines), corpus="iemocap")
        systems = {"better": ["late_product"], "than": ["late_average"]}
        claim = {
            "id": "a",
            "claim": "Better.",
            "quote": "better",
            "where": "5.4",
            "corpora": ["iemocap"],
            "decided_by": {"kind": "order", "metrics": [metric], **systems},
            "note": note,
        }
        (tmp_path / "joint_cnn.claims.yaml").write_text(yaml.safe_dump([claim]))
        claims = load_claims(tmp_path, "joint_cnn", rows)
        comparison = comparison_of("joint_cnn", "iemocap", rows, no_scores())
        return text_rules.claims(case_of(rows, (), comparison, claims))

    return check


def test_a_claim_against_the_numbers_beside_it_is_found(check_claim):
    right = check_claim("60.1", "59.6")
    assert (right.numbers, right.findings) == (2, [])
    (finding,) = check_claim("59.6", "59.8").findings
    assert finding.printed == "late_product 59.6 %, late_average 59.8 % (accuracy)"
    assert (finding.where, finding.expected) == ("5.4", "Better.")
    assert (finding.off, finding.confidence) == ("\N{MINUS SIGN}0.20 points", "certain")


def test_a_noted_reading_of_a_claim_makes_findings_likely(check_claim):
    assert check_claim("59.6", "59.8", note="read so").findings[0].confidence == "likely"


def test_numbers_that_may_be_equal_decide_no_claim(check_claim):
    assert check_claim("59.6", "59.6").findings == []
    assert check_claim("59.6", "59.7").findings == []  # 59.69, cut, and 59.66, rounded


def test_losses_differ_in_their_own_unit(check_claim):
    assert [finding.off for finding in check_claim("1.0", "1.3", "loss").findings] == ["-0.3000"]
