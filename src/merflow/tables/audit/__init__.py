"""Audit: contradictions between the printed numbers of a paper, found by arithmetic.

Rules are general: each checks every number of every paper, and none names a paper. Rounding is not
a finding (merflow.tables.audit.case). To add a rule: a function of a `Case` in counts, labels,
scores, predictions, repeats, settings, stated or text_rules, and an entry in
merflow.tables.audit.rules.
"""

from collections.abc import Sequence

import pandas as pd

from merflow.tables.audit.case import RuleResult, case_of
from merflow.tables.audit.class_counts import supports_of
from merflow.tables.audit.findings_tables import overall, section
from merflow.tables.audit.rules import RULES
from merflow.tables.claims import Claim
from merflow.tables.comparison import Comparison


def examine(
    corpus: str,
    printed: pd.DataFrame,
    comparison: Comparison | None = None,
    claims: Sequence[Claim] = (),
) -> dict[str, RuleResult]:
    """Apply all rules to the numbers that a paper prints on a corpus.

    Args:
        corpus: its name.
        printed: the paper's rows of merflow.tables.reported.load, of any corpus.
        comparison: of the paper on the corpus, with which claims are read.
        claims: claims on the corpus.

    Returns:
        Rule -> its result.
    """
    rows = printed[printed["corpus"] == corpus]
    case = case_of(rows, supports_of(corpus), comparison, claims)
    return {rule.name: rule.check(case) for rule in RULES}


__all__ = ["RULES", "examine", "overall", "section"]
