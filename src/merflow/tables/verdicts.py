"""Verdicts of claims: each pair of scores (merflow.tables.pairs) is judged, then the claim.

A pair claims that one score is higher than another, perhaps by a number of points (then read this
number for 0). It is
  supported     if an interval says so, refuted if it says the opposite, else inconclusive:
                - two of our systems: the interval of their paired difference leaves out 0
                - losses of two of our systems: every seed of one is above every seed of the other.
                  With a and b seeds the probability of this by chance is 2 / C(a + b, a), which
                  must be at most 1 - confidence
                - a cited system: the interval of ours leaves out the printed number
                - two classes of one system: their intervals do not overlap, which asks for more
                  than a paired difference
  not run       if one of our systems has no scores under the protocol
  not compared  in these cases:
                - ours and the printed number are of different data: a demo corpus, or another task
                - our source of the paper lacks the number
                - both systems are cited
                - two of our systems have no common utterance
A claim is supported if all its pairs are, and refuted if one is. If no pair could be judged, it is
not run or not compared. Otherwise it is inconclusive. Its evidence is the pair with the claim's
verdict that differs least in the claimed direction. Intervals are not corrected for the number of
pairs.

A spread claims that the best of some systems is about x points above the worst, both chosen by our
means. The interval of their paired difference (not corrected for the choice) decides. The spread is
supported if the interval holds x and neither 0 nor 2x, refuted if it leaves out x, else
inconclusive. A spread of at most x points is supported if the interval is below x, refuted if it is
above x.

A confusion claims that two classes are confused in about x percent at most. The interval of our
largest confusion of them decides as that of a spread. A claim that nothing decides is not compared.

merflow.tables.printed_claims judges claims by the paper's own numbers.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb, isnan
from statistics import fmean
from typing import Any

import pandas as pd

from merflow.evaluation.metrics import LOSS
from merflow.tables.claims import Claim, Confusion, Nothing, Spread
from merflow.tables.columns import as_printed
from merflow.tables.comparison import Comparison
from merflow.tables.measured import NAN, Difference, Estimate
from merflow.tables.pairs import Pair, Score, confusions, pairs
from merflow.tables.printed_claims import in_print
from merflow.tables.render import (
    Column,
    Table,
    decimal,
    interval,
    p_value,
    percent,
    plain,
    points,
    prose,
    words,
)
from merflow.tables.reported import MISSING

VERDICTS = ("supported", "refuted", "inconclusive", "not run", "not compared")
NOTES = (
    "Supported: every comparison of the claim holds, its interval leaving out 0; refuted: one is"
    " the other way round.",
    "Between two of our systems the paired difference decides, its interval and p as in the table"
    " of differences; against a cited one its printed number; losses are compared seed by seed."
    " merflow.tables.verdicts has all rules. Nothing is corrected for the number of comparisons.",
)

Means = Mapping[Score, Estimate]


@dataclass(frozen=True)
class Judgement:
    """Verdict of a pair or a claim.

    Attributes:
        verdict: one of VERDICTS.
        words: what was compared, or why it was not.
        margin: higher minus lower, beyond what is claimed; NaN: not compared.
        metric: of the compared scores.
        effect, low, high: higher minus lower, and the limits that decided. They are the ends of its
            interval. For losses they are the smallest and the largest difference between two seeds,
            for two classes what their intervals leave possible. NaN: not compared.
    """

    verdict: str
    words: str
    margin: float = NAN
    metric: str = ""
    effect: float = NAN
    low: float = NAN
    high: float = NAN


def table(comparison: Comparison, claims: Sequence[Claim]) -> Table:
    """A row per claim: the paper's own numbers, and the verdict under each protocol."""
    protocols = comparison.measured.protocols
    columns: list[Column] = [
        prose("claim", "claim"),
        prose("in the paper [how it is read]", "said"),
        prose("its printed numbers", "print"),
    ]
    for protocol in protocols:
        columns.append(words("verdict", f"{protocol}_verdict", group=plain(protocol)))
        columns.append(prose("evidence", f"{protocol}_evidence", plain(protocol)))
    caption = (
        "What the paper claims, what its own numbers say, and what ours say: on the test split, of"
        " losses on dev."
    )
    frame = pd.DataFrame([_row(comparison, claim) for claim in claims])
    return comparison.table("claims", "Claims", caption, frame, columns, NOTES)


def _row(comparison: Comparison, claim: Claim) -> dict[str, Any]:
    row: dict[str, Any] = claim.model_dump(include={"id", "claim", "quote", "where", "note"})
    row |= {"kind": "system", "print": in_print(comparison, claim)}
    row["said"] = f"“{claim.quote}” ({claim.where})" + (f" [{claim.note}]" if claim.note else "")
    for protocol in comparison.measured.protocols:
        judgement = judge(comparison, claim, protocol)
        row[f"{protocol}_verdict"] = judgement.verdict
        row[f"{protocol}_evidence"] = judgement.words
        for key in ("metric", "effect", "low", "high"):
            row[f"{protocol}_{key}"] = getattr(judgement, key)
    return row


def headlines(comparison: Comparison, claims: Table) -> Iterator[str]:
    """A sentence per protocol: how many claims have which verdict."""
    if claims.frame.empty:
        return
    demo = " on the demo corpus" if comparison.demo else ""
    for protocol in comparison.measured.protocols:
        counts = counted(claims.frame[f"{protocol}_verdict"])
        yield f"Claims of the paper{demo}, {plain(protocol)}: {counts}."


def counted(verdicts: Sequence[str] | pd.Series) -> str:
    """Number of claims with each verdict, in words."""
    counts = Counter(verdicts)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])


def compared(comparison: Comparison, claims: Sequence[Claim]) -> set[frozenset[str]]:
    """Pairs of systems that decide a claim."""
    systems: list[tuple[str, str]] = []
    for claim in claims:
        if isinstance(claim.decided_by, Spread):
            systems += combinations(claim.decided_by.systems, 2)
        else:
            every = pairs(comparison, claim, lambda score: NAN)
            systems += [(pair.higher.system, pair.lower.system) for pair in every]
    return {frozenset(pair) for pair in systems}


def judge(comparison: Comparison, claim: Claim, protocol: str) -> Judgement:
    """Verdict of a claim under a protocol."""
    rule = claim.decided_by
    if isinstance(rule, Spread):
        return _judge_spread(comparison, rule, protocol)
    if isinstance(rule, Confusion):
        return _judge_confusion(comparison, rule, protocol)
    if isinstance(rule, Nothing):
        return Judgement("not compared", rule.reason)

    def value(score: Score) -> float:
        mean = _mean(comparison, score, protocol)
        return mean.value if mean else NAN

    every = pairs(comparison, claim, value)
    judgements = [_judge_pair(comparison, pair, protocol) for pair in every]
    counts = Counter(judgement.verdict for judgement in judgements)
    verdict = _verdict(counts)
    if verdict == "not run":
        systems = [score.system for pair in every for score in pair.scores]
        return Judgement(verdict, ", ".join(_absent(comparison, systems, protocol)))
    if verdict == "not compared":
        reasons = dict.fromkeys(judgement.words for judgement in judgements)
        return Judgement(verdict, "; ".join(reasons))
    summary = _summary(counts, len(judgements))
    deciding = [judgement for judgement in judgements if judgement.verdict == verdict]
    if not deciding:
        return Judgement(verdict, summary)
    least = min(deciding, key=lambda judgement: judgement.margin)
    return replace(least, words=f"{summary}; decided by {least.words}")


def _mean(comparison: Comparison, score: Score, protocol: str) -> Estimate | None:
    return comparison.measured.mean(score.system, protocol, score.metric, score.name)


def _verdict(counts: Counter[str]) -> str:
    """Verdict of a claim, by the verdicts of its pairs."""
    if counts["refuted"]:
        return "refuted"
    if set(counts) == {"supported"}:
        return "supported"
    if set(counts) <= {"not run", "not compared"}:
        return "not compared" if counts["not compared"] and not counts["not run"] else "not run"
    return "inconclusive"


def _summary(counts: Counter[str], n_pairs: int) -> str:
    rest = "".join(
        f", {counts[name]} {name}"
        for name in ("refuted", "not run", "not compared")
        if 0 < counts[name] < n_pairs
    )
    return f"{counts['supported']} of {n_pairs} comparisons hold{rest}"


def _absent(comparison: Comparison, systems: Sequence[str], protocol: str) -> list[str]:
    """Systems of ours that have no scores, each once."""
    return [
        name
        for name in dict.fromkeys(systems)
        if comparison.kind(name) != "cited"
        and not comparison.measured.mean(name, protocol, "accuracy")
    ]


def _judge_pair(comparison: Comparison, pair: Pair, protocol: str) -> Judgement:
    ours = [score for score in pair.scores if comparison.kind(score.system) != "cited"]
    if not ours:
        return Judgement("not compared", "both systems are cited ones")
    if comparison.mismatch and (len(ours) == 1 or pair.higher.name):
        reason = f"ours have another task than the paper: {comparison.mismatch}"
        return Judgement("not compared", reason)
    means = {score: mean for score in ours if (mean := _mean(comparison, score, protocol))}
    if len(means) < len(ours):
        return Judgement("not run", "")
    if len(ours) == 1 and comparison.demo:
        reason = "scores of a demo corpus are not compared with printed ones"
        return Judgement("not compared", reason)
    if len(ours) == 1:
        return _against_printed(comparison, pair, means)
    if pair.higher.metric == LOSS:
        return _between_losses(comparison, pair, protocol)
    if pair.higher.system == pair.lower.system:
        return _between_classes(pair, means)
    return _between_systems(comparison, pair, protocol)


def _between_systems(comparison: Comparison, pair: Pair, protocol: str) -> Judgement:
    (higher, metric, name), lower = pair.higher, pair.lower.system
    measured = comparison.measured
    difference = measured.difference(higher, lower, protocol, metric, name)
    if difference is None:
        return Judgement("not compared", f"{higher} and {lower} have no utterance in common")
    effect = f"{points(difference.value)} {_limits(difference)}, p {p_value(difference.p)}"
    evidence = f"{pair.higher.full} minus {lower}: {effect}"
    if metric == "accuracy" and (tests := measured.mcnemar(higher, lower, protocol)):
        ends = dict.fromkeys(p_value(test.p) for test in (tests[0], tests[-1]))
        evidence += f", McNemar's p {' to '.join(ends)}"
    return _decided(pair, evidence, difference.value, difference.low, difference.high)


def _between_losses(comparison: Comparison, pair: Pair, protocol: str) -> Judgement:
    measured = comparison.measured
    higher, lower = (measured.losses(score.system, protocol) for score in pair.scores)
    ranges = [
        " to ".join(dict.fromkeys(decimal(end) for end in (min(losses), max(losses))))
        for losses in (higher, lower)
    ]
    orders = comb(len(higher) + len(lower), len(higher))
    enough = 2 / orders <= 1 - measured.confidence
    evidence = f"{pair.higher}: {ranges[0]}, of {pair.lower.system}: {ranges[1]}"
    evidence += f"; {len(higher)} and {len(lower)} runs{'' if enough else ', too few to tell'}"
    limits = (min(higher) - max(lower), max(higher) - min(lower)) if enough else (NAN, NAN)
    return _decided(pair, evidence, fmean(higher) - fmean(lower), *limits)


def _against_printed(comparison: Comparison, pair: Pair, means: Means) -> Judgement:
    ((ours, mean),) = means.items()
    cited = pair.lower if ours == pair.higher else pair.higher
    printed = comparison.printed.cell(*cited)
    if printed is None:
        return Judgement("not compared", f"the paper prints no {cited.full}")
    if printed["value"] == MISSING:
        return Judgement("not compared", f"the printed {cited.full} is {MISSING}")
    evidence = f"{ours.full}: {_estimate(mean)}, {cited.system} has {as_printed(printed)} in print"
    low, value, high = (figure - printed["share"] for figure in (mean.low, mean.value, mean.high))
    if ours == pair.lower:
        low, value, high = -high, -value, -low
    return _decided(pair, evidence, value, low, high)


def _between_classes(pair: Pair, means: Means) -> Judgement:
    higher, lower = means[pair.higher], means[pair.lower]
    evidence = f"{pair.higher}: {pair.higher.name} {_estimate(higher)}"
    evidence += f", {pair.lower.name} {_estimate(lower)}"
    limits = (higher.low - lower.high, higher.high - lower.low)
    return _decided(pair, evidence, higher.value - lower.value, *limits)


def _judge_spread(comparison: Comparison, rule: Spread, protocol: str) -> Judgement:
    if absent := _absent(comparison, rule.systems, protocol):
        return Judgement("not run", ", ".join(absent))
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
    effect = f"{points(difference.value)} {_limits(difference)}"
    claimed = f"at most {rule.about}" if rule.at_most else rule.about
    evidence = f"{best} minus {worst}, best and worst: {effect}, {claimed} claimed"
    value, low, high, _ = difference
    verdict = _spread_verdict(rule, low, high)
    return Judgement(verdict, evidence, value, rule.metric, value, low, high)


def _judge_confusion(comparison: Comparison, rule: Confusion, protocol: str) -> Judgement:
    if comparison.mismatch:
        reason = f"ours have another task than the paper: {comparison.mismatch}"
        return Judgement("not compared", reason)
    if comparison.demo:
        reason = "scores of a demo corpus are not compared with printed ones"
        return Judgement("not compared", reason)
    scores = confusions(comparison, rule)
    if absent := _absent(comparison, [score.system for score in scores], protocol):
        return Judgement("not run", ", ".join(absent))
    means = {score: mean for score in scores if (mean := _mean(comparison, score, protocol))}
    largest, mean = max(means.items(), key=lambda item: item[1].value)
    evidence = f"{largest.full}: {_estimate(mean)}, the largest of {len(means)}"
    evidence += f", {rule.about:g} claimed"
    verdict = _spread_verdict(rule, mean.low, mean.high)
    return Judgement(verdict, evidence, mean.value, largest.metric, mean.value, mean.low, mean.high)


def _spread_verdict(rule: Spread | Confusion, low: float, high: float) -> str:
    about = rule.about / 100
    if isinstance(rule, Spread) and rule.at_most:
        return _side(about - high, about - low)
    if low <= about <= high:
        return "supported" if low > 0 and high < 2 * about else "inconclusive"
    return "inconclusive" if isnan(low) else "refuted"


def _limits(difference: Difference) -> str:
    return interval(difference.low, difference.high, points)


def _estimate(mean: Estimate) -> str:
    return f"{percent(mean.value)} {interval(mean.low, mean.high)}"


def _decided(pair: Pair, evidence: str, effect: float, low: float, high: float) -> Judgement:
    """Verdict of a pair by the limits of its difference, which should be above ``pair.by``."""
    verdict = _side(low - pair.by, high - pair.by)
    metric = pair.higher.metric
    return Judgement(verdict, evidence, effect - pair.by, metric, effect, low, high)


def _side(low: float, high: float) -> str:
    """Verdict by the limits of a difference that should be positive; NaN decides nothing."""
    return "supported" if low > 0 else "refuted" if high < 0 else "inconclusive"
