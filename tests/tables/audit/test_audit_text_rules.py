import pytest
import yaml
from support.score_tables import comparison_of, no_scores

from merflow.tables.audit import text_rules
from merflow.tables.audit.case import case_of
from merflow.tables.claims import load_claims

GAINS = """
    text all_gain  late_fusion&early_fusion gain   - test {} points
    text best_gain early_fusion_over_TFN    gain   - test 2.47 points
    text spread    late_fusion&early_fusion spread - test 1.5 points
"""


def test_all_cannot_gain_more_than_the_worst(make_case):
    (finding,) = text_rules.worst_gain(make_case(GAINS.format("2"), corpus="mosei")).findings
    assert (finding.off, finding.confidence) == ("+1.03 points", "likely")
    assert finding.expected.startswith("at most 0.97 points")
    result = text_rules.worst_gain(make_case(GAINS.format("1"), corpus="mosei"))
    assert (result.numbers, result.findings) == (3, [])


@pytest.fixture
def make_claim(printed, tmp_path):
    """A case with the claim that the product fusion beats the average."""

    def make(*lines, metric="accuracy", note="", split=None):
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
            "split": split,
        }
        (tmp_path / "joint_cnn.claims.yaml").write_text(yaml.safe_dump([claim]))
        claims = load_claims(tmp_path, "joint_cnn", rows)
        comparison = comparison_of("joint_cnn", "iemocap", rows, no_scores())
        return case_of(rows, (), comparison, claims)

    return make


def on(split, ours, cited, metric="accuracy"):
    """Scores of both systems on a split."""
    unit = "number" if metric == "loss" else "percent"
    return [
        f"1 a late_product {metric} - {split} {ours} {unit}",
        f"1 b late_average {metric} - {split} {cited} {unit}",
    ]


@pytest.fixture
def check_claim(make_claim):
    """Check this claim on the split on which it is decided."""

    def check(ours, cited, metric="accuracy", note=""):
        lines = on("dev" if metric == "loss" else "test", ours, cited, metric)
        if metric == "accuracy":  # another split plays no part
            lines.append("1 a late_product accuracy - dev 99.0 percent")
        return text_rules.claims(make_claim(*lines, metric=metric, note=note))

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


def test_a_claim_that_fails_on_another_split_is_a_hint(make_claim):
    test = on("test", "60.1", "59.6")
    right = text_rules.claims_on_other_splits(make_claim(*test, *on("dev", "58.0", "57.0")))
    assert (right.numbers, right.findings) == (2, [])
    case = make_claim(*test, *on("dev", "57.0", "58.0"), note="read so")
    (finding,) = text_rules.claims_on_other_splits(case).findings
    assert finding.printed == "dev: late_product 57.0 %, late_average 58.0 % (accuracy)"
    assert (finding.off, finding.confidence) == ("\N{MINUS SIGN}1.00 points", "hint")
    assert text_rules.claims(case).findings == []


def test_a_claim_that_only_another_split_prints_is_likely(make_claim):
    case = make_claim(*on("dev", "57.0", "58.0"))
    assert text_rules.claims(case).numbers == 0
    (finding,) = text_rules.claims_on_other_splits(case).findings
    assert finding.confidence == "likely"


@pytest.mark.parametrize(("split", "here", "elsewhere"), [("test", 0, 0), ("dev", 0, 1)])
def test_a_claim_that_names_its_split_is_of_no_other(make_claim, split, here, elsewhere):
    case = make_claim(*on("test", "60.1", "59.6"), *on("dev", "57.0", "58.0"), split=split)
    assert len(text_rules.claims(case).findings) == here
    assert len(text_rules.claims_on_other_splits(case).findings) == elsewhere


def test_a_claim_of_dev_is_not_held_against_test(make_claim):
    case = make_claim(*on("test", "59.6", "60.1"), *on("dev", "58.0", "57.0"), split="dev")
    assert text_rules.claims(case).findings == []
    assert text_rules.claims_on_other_splits(case).findings == []
