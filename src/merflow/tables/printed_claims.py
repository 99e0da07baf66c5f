"""Claims judged by the paper's own printed numbers.

Pairs decide of which both scores are printed, to the printed digits. A claim holds if in all of
them the score that should be higher is higher, by as much as is claimed. A spread holds if the
printed spread rounds to the number, or is at most it. A confusion holds if the largest printed one
rounds to the number. One that only the text states decides nothing: it is the claim itself.
"""

from collections import Counter

from merflow.tables.claims import Claim, Confusion, Spread
from merflow.tables.columns import as_printed, figure
from merflow.tables.comparison import Comparison
from merflow.tables.pairs import Pair, confusions, pairs
from merflow.tables.reported import MISSING, UNSTATED, Row, remarks_of

#: Reasons why printed numbers do not decide a claim; the first that occurs is given.
REASONS = (MISSING, "different measures", UNSTATED, "not printed")


def in_print(comparison: Comparison, claim: Claim) -> str:
    """Verdict in words.

    It is "holds", "fails: ...", "not printed", "not in the source", "different measures", "measure
    not stated" or "stated in the text only: ...".
    """
    printed = comparison.printed
    if isinstance(claim.decided_by, Spread):
        return _spread_in_print(comparison, claim.decided_by)
    if isinstance(claim.decided_by, Confusion):
        return _confusion_in_print(comparison, claim.decided_by)
    every = pairs(comparison, claim, lambda score: figure(printed.cell(*score)))
    failing, n_printed, undecided = [], 0, Counter[str]()
    for pair in every:
        high, low = (printed.beside(*score) for score in pair.scores)
        if reason := _undecided(high, low):
            undecided[reason] += 1
        elif high and low:
            n_printed += 1
            failing += _failure(pair, high, low)
    if not n_printed:
        return next((reason for reason in REASONS if undecided[reason]), REASONS[-1])
    verdict = f"fails: {', '.join(failing)}" if failing else "holds"
    if n_printed == len(every):
        return verdict
    reasons = [reason for reason in REASONS[:-1] if undecided[reason]]
    rest = (
        f"; {', '.join(f'{undecided[reason]} {reason}' for reason in reasons)}" if reasons else ""
    )
    decided = "can be judged" if reasons else "are printed"
    return f"{verdict} ({n_printed} of {len(every)} comparisons {decided}{rest})"


def _undecided(high: Row | None, low: Row | None) -> str:
    """One of REASONS why two printed scores decide nothing; empty: they do."""
    if high is None or low is None:
        return "not printed"
    if MISSING in (high["value"], low["value"]):
        return MISSING
    if high["metric"] != low["metric"]:
        return "different measures"
    unstated = (UNSTATED in remarks_of(row["note"]) for row in (high, low))
    return UNSTATED if any(unstated) else ""


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
    if _rounds_to(gap, rule.about):
        return "holds"
    return f"fails: {gap:g} points, not {rule.about:g} ({ends})"


def _confusion_in_print(comparison: Comparison, rule: Confusion) -> str:
    printed, scores = comparison.printed, confusions(comparison, rule)
    cells = [cell for score in scores if (cell := printed.cell(*score))]
    if not cells:
        names = {score.name for score in scores}
        stated = [row for row in printed.text if row["class"] in names]
        numbers = ", ".join(dict.fromkeys(map(as_printed, stated)))
        return f"stated in the text only: {numbers}" if numbers else "not printed"
    if any(cell["value"] == MISSING for cell in cells):
        return MISSING
    largest = max(cells, key=lambda cell: cell["share"])
    if _rounds_to(100 * largest["share"], rule.about):
        return "holds"
    return f"fails: {as_printed(largest)}, not {rule.about:g} ({largest['system']})"


def _rounds_to(number: float, about: float) -> bool:
    """Tell whether a printed number has the claimed one when rounded to its digits."""
    digits = len(f"{about:g}".partition(".")[2])
    return round(round(number, 9), digits) == about
