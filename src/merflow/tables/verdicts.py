"""Verdicts of claims: each pair of scores (merflow.tables.pairs) is judged, then the claim.

A pair claims that one score is higher than another, perhaps by a number of points (then read this
number for 0). It is
  supported     if an interval says so, refuted if it says the opposite, else inconclusive:
                - two of our systems: the interval of their paired difference leaves out 0
                - losses of two of our systems: every seed of one is above every seed of the other.
                  With a and b seeds the probability of this by chance is 2 / C(a + b, a), which
                  must be at most 1 - confidence
                - one of our systems after its first and its last epoch: as losses
                - a cited system: the interval of ours leaves out the printed number
                - two classes of one system, or one of our systems and a trivial baseline: their
                  intervals do not overlap, which asks for more than a paired difference
                Among several pairs of a claim, refuted also asks for a corrected p below
                1 - confidence between two of our systems
  not run       if one of our systems has no scores under the protocol
  not compared  in these cases:
                - ours and the printed number are of different data: a demo corpus, or another task
                - our source of the paper lacks the number
                - the printed number is of another measure than ours, or of one that is not stated
                - both systems are cited
                - two of our systems have no common utterance
A claim is supported if all its pairs are, and refuted if one is. If no pair could be judged, it is
not run or not compared. Otherwise it is inconclusive. Its evidence is the pair with the claim's
verdict that differs least in the claimed direction.

So plain intervals support a claim of several pairs, and corrected p-values refute it. All pairs
must hold, which more of them make no easier (an intersection-union test; Berger 1982). One pair
refutes it, which more of them make easier. The corrected p is the one in the table of differences
(merflow.evaluation.differences has its family). Only differences between two of our systems have a
p, and it is about a difference of 0. So printed numbers, losses, classes and differences by a
number of points are not corrected.

A spread claims that the best of some systems is about x points above the worst, both chosen by our
means. The interval of their paired difference (not corrected for the choice) decides. The spread is
supported if the interval holds x and neither 0 nor 2x, refuted if it leaves out x, else
inconclusive. A spread of at most x points is supported if the interval is below x, refuted if it is
above x.

A confusion claims that the largest confusion of two classes is about x percent. The interval of our
largest one decides as that of a spread. A claim that nothing decides is not compared.

merflow.tables.printed_claims judges claims by the paper's own numbers.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from math import comb
from statistics import fmean
from typing import Any

import pandas as pd

from merflow.evaluation.metrics import EPOCH_SCORE, LOSS
from merflow.tables.amounts import judge_confusion, judge_spread
from merflow.tables.claims import Claim, Confusion, Nothing, Spread
from merflow.tables.columns import as_printed
from merflow.tables.comparison import Comparison
from merflow.tables.judgements import (
    OF_DEMO,
    VERDICTS,
    Judgement,
    absent,
    estimate_of,
    limits_of,
    mean_of,
    of_other_task,
    side,
)
from merflow.tables.measured import NAN, Estimate
from merflow.tables.measures import name_of, split_of
from merflow.tables.pairs import Pair, Score, pairs
from merflow.tables.printed_claims import in_print
from merflow.tables.render import (
    Column,
    Table,
    decimal,
    p_value,
    percent,
    plain,
    points,
    prose,
    words,
)
from merflow.tables.reported import MISSING, UNSTATED, Row, remarks_of

NOTES = (
    "Supported: every comparison of the claim holds, its interval leaving out 0; refuted: one is"
    " the other way round.",
    "Between two of our systems the paired difference decides, its interval and p as in the table"
    " of differences; against a cited one its printed number; losses are compared seed by seed."
    " merflow.tables.verdicts has all rules.",
    "Supported goes by plain intervals: all comparisons must hold, which more of them make no"
    " easier. Where a claim has several comparisons, refuted asks for a corrected p as well, since"
    " one is enough. Printed numbers, losses, classes and differences by a number of points have no"
    " p and are not corrected.",
)

Means = Mapping[Score, Estimate]


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
        return judge_spread(comparison, rule, protocol)
    if isinstance(rule, Confusion):
        return judge_confusion(comparison, rule, protocol)
    if isinstance(rule, Nothing):
        return Judgement("not compared", rule.reason)

    def value(score: Score) -> float:
        mean = mean_of(comparison, score, protocol)
        return mean.value if mean else NAN

    every = pairs(comparison, claim, value)
    judgements = [_judge_pair(comparison, pair, protocol) for pair in every]
    if len(judgements) > 1:
        alpha = 1 - comparison.measured.confidence
        judgements = [judgement.among_several(alpha) for judgement in judgements]
    counts = Counter(judgement.verdict for judgement in judgements)
    verdict = _verdict(counts)
    if verdict == "not run":
        systems = [score.system for pair in every for score in pair.scores]
        return Judgement(verdict, ", ".join(absent(comparison, systems, protocol)))
    if verdict == "not compared":
        reasons = dict.fromkeys(judgement.words for judgement in judgements)
        return Judgement(verdict, "; ".join(reasons))
    summary = _summary(counts, len(judgements))
    deciding = [judgement for judgement in judgements if judgement.verdict == verdict]
    if not deciding:
        return Judgement(verdict, summary)
    least = min(deciding, key=lambda judgement: judgement.margin)
    return replace(least, words=f"{summary}; decided by {least.words}")


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


def _judge_pair(comparison: Comparison, pair: Pair, protocol: str) -> Judgement:
    ours = [score for score in pair.scores if comparison.kind(score.system) != "cited"]
    if not ours:
        return Judgement("not compared", "both systems are cited ones")
    if comparison.mismatch and (len(ours) == 1 or pair.higher.name):
        return of_other_task(comparison)
    means = {score: mean for score in ours if (mean := mean_of(comparison, score, protocol))}
    if len(means) < len(ours):
        return Judgement("not run", "")
    if len(ours) == 1 and comparison.demo:
        return OF_DEMO
    if len(ours) == 1:
        return _against_printed(comparison, pair, means)
    if pair.higher.metric in (LOSS, EPOCH_SCORE):
        return _between_seeds(comparison, pair, protocol)
    kinds = {comparison.kind(score.system) for score in pair.scores}
    if pair.higher.system == pair.lower.system or "baseline" in kinds:
        return _between_intervals(pair, means)
    return _between_systems(comparison, pair, protocol)


def _between_systems(comparison: Comparison, pair: Pair, protocol: str) -> Judgement:
    (higher, metric, name), lower = pair.higher, pair.lower.system
    measured = comparison.measured
    difference = measured.difference(higher, lower, protocol, metric, name)
    if difference is None:
        return Judgement("not compared", f"{higher} and {lower} have no utterance in common")
    effect = f"{points(difference.value)} {limits_of(difference)}, p {p_value(difference.p)}"
    effect += f", corrected {p_value(difference.p_corrected)}"
    evidence = f"{pair.higher.full} minus {lower}: {effect}"
    if metric == "accuracy" and (tests := measured.mcnemar(higher, lower, protocol)):
        ends = dict.fromkeys(p_value(test.p) for test in (tests[0], tests[-1]))
        evidence += f", McNemar's p {' to '.join(ends)}"
    decided = _decided(pair, evidence, difference.value, difference.low, difference.high)
    # p is about a difference of 0, not about a number of points
    return decided if pair.by else replace(decided, p_corrected=difference.p_corrected)


def _between_seeds(comparison: Comparison, pair: Pair, protocol: str) -> Judgement:
    measured = comparison.measured
    higher, lower = (
        measured.of_seeds(score.system, protocol, score.metric, score.name) for score in pair.scores
    )
    show = decimal if pair.higher.metric == LOSS else percent
    ranges = [
        " to ".join(dict.fromkeys(show(end) for end in (min(values), max(values))))
        for values in (higher, lower)
    ]
    orders = comb(len(higher) + len(lower), len(higher))
    enough = 2 / orders <= 1 - measured.confidence
    evidence = f"{pair.higher.full}: {ranges[0]}, of {pair.lower.named}: {ranges[1]}"
    evidence += f"; {len(higher)} and {len(lower)} runs{'' if enough else ', too few to tell'}"
    limits = (min(higher) - max(lower), max(higher) - min(lower)) if enough else (NAN, NAN)
    return _decided(pair, evidence, fmean(higher) - fmean(lower), *limits)


def _against_printed(comparison: Comparison, pair: Pair, means: Means) -> Judgement:
    ((ours, mean),) = means.items()
    cited = pair.lower if ours == pair.higher else pair.higher
    printed = comparison.printed.beside(*cited)
    if printed is None:
        return Judgement("not compared", f"the paper prints no {cited.full}")
    if printed["value"] == MISSING:
        return Judgement("not compared", f"the printed {cited.full} is {MISSING}")
    if reason := _other_measure(cited, printed):
        return Judgement("not compared", reason)
    evidence = (
        f"{ours.full}: {estimate_of(mean)}, {cited.system} has {as_printed(printed)} in print"
    )
    low, value, high = (figure - printed["share"] for figure in (mean.low, mean.value, mean.high))
    if ours == pair.lower:
        low, value, high = -high, -value, -low
    return _decided(pair, evidence, value, low, high)


def _other_measure(cited: Score, printed: Row) -> str:
    """Reason why a printed number is of another measure than ours; empty: it is not."""
    metric, ours = (
        name_of(metric, split_of(metric)) for metric in (printed["metric"], cited.metric)
    )
    if metric != ours:
        column = printed["metric_as_printed"]
        return f"different measures: {column} of {cited.system} is {metric}, ours {ours}"
    if UNSTATED in remarks_of(printed["note"]):
        return f"the measure of {cited.full} is not stated"
    return ""


def _between_intervals(pair: Pair, means: Means) -> Judgement:
    higher, lower = means[pair.higher], means[pair.lower]
    if pair.higher.system == pair.lower.system:
        first, second = f"{pair.higher}: {pair.higher.name}", pair.lower.name
    else:
        first, second = f"{pair.higher.full}:", f"of {pair.lower.named}:"
    evidence = f"{first} {estimate_of(higher)}, {second} {estimate_of(lower)}"
    limits = (higher.low - lower.high, higher.high - lower.low)
    return _decided(pair, evidence, higher.value - lower.value, *limits)


def _decided(pair: Pair, evidence: str, effect: float, low: float, high: float) -> Judgement:
    """Verdict of a pair by the limits of its difference, which should be above ``pair.by``."""
    verdict = side(low - pair.by, high - pair.by)
    metric = pair.higher.metric
    return Judgement(verdict, evidence, effect - pair.by, metric, effect, low, high)
