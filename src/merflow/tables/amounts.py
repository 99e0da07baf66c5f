"""Verdicts of claims of an amount: a spread of systems, the confusion of two classes."""

from math import isnan

from merflow.tables.claims import Confusion, Spread
from merflow.tables.comparison import Comparison
from merflow.tables.judgements import (
    OF_DEMO,
    Judgement,
    absent,
    estimate_of,
    limits_of,
    mean_of,
    of_other_task,
    side,
)
from merflow.tables.pairs import Score, confusions
from merflow.tables.render import points


def judge_spread(comparison: Comparison, rule: Spread, protocol: str) -> Judgement:
    """Verdict of a spread: the best of some systems minus the worst."""
    if lacking := absent(comparison, rule.systems, protocol):
        return Judgement("not run", ", ".join(lacking))
    means = {
        name: mean.value
        for name in rule.systems
        if (mean := comparison.measured.mean(name, protocol, rule.metric))
    }
    ranked = sorted(means, key=means.__getitem__)  # with equal means still two systems
    worst, best = ranked[0], Score(ranked[-1], rule.metric)
    difference = comparison.measured.difference(best.system, worst, protocol, rule.metric)
    if difference is None:
        return Judgement("not compared", f"{best.system} and {worst} have no utterance in common")
    effect = f"{points(difference.value)} {limits_of(difference)}"
    claimed = f"at most {rule.about}" if rule.at_most else rule.about
    evidence = f"{best} minus {worst}, best and worst: {effect}, {claimed} claimed"
    value, low, high, *_ = difference
    verdict = _spread_verdict(rule, low, high)
    return Judgement(verdict, evidence, value, rule.metric, value, low, high)


def judge_confusion(comparison: Comparison, rule: Confusion, protocol: str) -> Judgement:
    """Verdict of the largest confusion of two classes."""
    if comparison.mismatch:
        return of_other_task(comparison)
    if comparison.demo:
        return OF_DEMO
    scores = confusions(comparison, rule)
    if lacking := absent(comparison, [score.system for score in scores], protocol):
        return Judgement("not run", ", ".join(lacking))
    means = {score: mean for score in scores if (mean := mean_of(comparison, score, protocol))}
    largest, mean = max(means.items(), key=lambda item: item[1].value)
    evidence = f"{largest.full}: {estimate_of(mean)}, the largest of {len(means)}"
    evidence += f", {rule.about:g} claimed"
    verdict = _spread_verdict(rule, mean.low, mean.high)
    return Judgement(verdict, evidence, mean.value, largest.metric, mean.value, mean.low, mean.high)


def _spread_verdict(rule: Spread | Confusion, low: float, high: float) -> str:
    about = rule.about / 100
    if isinstance(rule, Spread) and rule.at_most:
        return side(about - high, about - low)
    if low <= about <= high:
        return "supported" if low > 0 and high < 2 * about else "inconclusive"
    return "inconclusive" if isnan(low) else "refuted"
