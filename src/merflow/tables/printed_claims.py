"""Claims judged by the paper's own printed numbers.

Pairs decide of which both scores are printed, to the printed digits. A claim holds if in all of
them the score that should be higher is higher, by as much as is claimed. A spread holds if the
printed spread rounds to the number, or is at most it.
"""

from merflow.tables.claims import Claim, Spread
from merflow.tables.columns import as_printed, figure
from merflow.tables.comparison import Comparison
from merflow.tables.pairs import Pair, pairs
from merflow.tables.reported import MISSING, Row


def in_print(comparison: Comparison, claim: Claim) -> str:
    """Verdict in words: "holds", "fails: ...", "not printed" or "not in the source"."""
    printed = comparison.printed
    if isinstance(claim.decided_by, Spread):
        return _spread_in_print(comparison, claim.decided_by)
    every = pairs(comparison, claim, lambda score: figure(printed.cell(*score)))
    failing, n_printed, n_missing = [], 0, 0
    for pair in every:
        high, low = (printed.cell(*score) for score in pair.scores)
        if high is None or low is None:
            continue
        if MISSING in (high["value"], low["value"]):
            n_missing += 1
            continue
        n_printed += 1
        failing += _failure(pair, high, low)
    if not n_printed:
        return MISSING if n_missing else "not printed"
    verdict = f"fails: {', '.join(failing)}" if failing else "holds"
    if n_printed == len(every):
        return verdict
    return f"{verdict} ({n_printed} of {len(every)} comparisons are printed)"


def _failure(pair: Pair, high: Row, low: Row) -> list[str]:
    """Words on a pair of printed scores that contradicts the claim; empty: it agrees."""
    gap = round(figure(high) - figure(low), 9)  # 0.62 and 62 % are the same
    if gap > 0 and gap >= pair.by:
        return []
    sign = "<" if gap < 0 else "=" if gap == 0 else "not enough above"
    higher, lower = (f"{score.system} {score.name}".strip() for score in pair.scores)
    both = f"{higher} {as_printed(high)} {sign} {lower} {as_printed(low)}"
    return [f"{both} ({high['metric_as_printed']})"]


def _spread_in_print(comparison: Comparison, rule: Spread) -> str:
    cells = {name: comparison.printed.cell(name, rule.metric) for name in rule.systems}
    printed = {name: cell for name, cell in cells.items() if cell is not None}
    if len(printed) < len(cells):
        return "not printed"
    if any(cell["value"] == MISSING for cell in printed.values()):
        return MISSING
    shares = {name: cell["share"] for name, cell in printed.items()}
    best, worst = max(shares, key=shares.__getitem__), min(shares, key=shares.__getitem__)
    gap = round(100 * (shares[best] - shares[worst]), 9)
    ends = f"{best} {as_printed(printed[best])}, {worst} {as_printed(printed[worst])}"
    if rule.at_most:
        return "holds" if gap <= rule.about else f"fails: {gap:g} points ({ends})"
    digits = len(str(rule.about).partition(".")[2])
    if round(gap, digits) == rule.about:
        return "holds"
    return f"fails: {gap:g} points, not {rule.about:g} ({ends})"
