"""Verdicts of claims: each pair of scores of a claim (merflow.tables.claims) is judged, then the claim.

A pair says that one score is higher than another (by so many points: read these for 0, and that for the printed number). It is
  supported     if an interval says so, refuted if the interval says the opposite, inconclusive otherwise:
                two of our systems             the interval of their paired difference leaves out 0
                losses of two of our systems   every seed of the one is above every seed of the other, which says something with so many
                                               seeds that chance would do it too seldom for the confidence of intervals: 2 / C(a + b, a)
                a cited system                 the interval of ours leaves out the printed number
                two classes of one system      their intervals do not overlap (which asks for more than a paired difference would)
  not run       where one of our systems has no scores under the protocol
  not compared  where ours and the printed number are of different data: a demo corpus, or other classes; where the printed number
                is not in our source of the paper; between two cited systems, and between two of ours without a common utterance
A claim is supported if all its pairs are, refuted if one is refuted, not run or not compared if no pair could be judged, and
inconclusive otherwise. Its evidence names the pair that decided: of those with the claim's verdict, the one that differs least in the
claimed direction. Intervals are not corrected for the number of pairs.

A spread says that the best of some systems is about so many points above the worst, both chosen by our means. By the interval of their
paired difference (not corrected for the choice) it is supported if that holds the number, and neither 0 nor twice the number, refuted if
it leaves the number out, and inconclusive if it is too wide for either.

What the paper's own numbers say is decided by those pairs of which both scores are printed, to the printed digits: it holds if the one
that is meant to be higher is higher in all of them, and by as much as is claimed; of a spread, if theirs rounds to the number.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb, isnan
from statistics import fmean

import pandas as pd

from merflow.evaluation.metrics import LOSS
from merflow.tables.claims import Claim, Spread
from merflow.tables.columns import as_printed, figure
from merflow.tables.comparison import NAN, Comparison
from merflow.tables.pairs import Pair, Score, pairs
from merflow.tables.render import (
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


Means = Mapping[Score, Mapping[str, float]]


@dataclass(frozen=True)
class Judged:
    """A pair, or a claim, with its verdict.

    Attributes:
        verdict: one of VERDICTS.
        words: what was compared, or why it was not.
        margin: higher minus lower, beyond what is claimed; NaN where not compared.
        metric: of the scores that were compared.
        effect, low, high: higher minus lower, and what decided: the limits of its interval; of losses the smallest and the largest
            difference between two seeds, of two classes what their intervals leave possible. NaN where not compared.
    """

    verdict: str
    words: str
    margin: float = NAN
    metric: str = ""
    effect: float = NAN
    low: float = NAN
    high: float = NAN


def table(view: Comparison, claims: Sequence[Claim]) -> Table:
    """One row per claim: what the paper says, what its own numbers say, and the verdict under each protocol."""
    rows = []
    for claim in claims:
        row = claim.model_dump(include={"id", "claim", "quote", "where", "note"}) | {
            "kind": "system",
            "print": in_print(view, claim),
        }
        row["said"] = f"“{claim.quote}” ({claim.where})" + (
            f" [{claim.note}]" if claim.note else ""
        )
        for protocol in view.protocols:
            judged = judge(view, claim, protocol)
            row |= {
                f"{protocol}_verdict": judged.verdict,
                f"{protocol}_evidence": judged.words,
                f"{protocol}_metric": judged.metric,
            }
            row |= {f"{protocol}_{key}": getattr(judged, key) for key in ("effect", "low", "high")}
        rows.append(row)
    columns = [
        prose("claim", "claim"),
        prose("in the paper [how it is read]", "said"),
        prose("its printed numbers", "print"),
    ]
    for protocol in view.protocols:
        columns += [
            words("verdict", f"{protocol}_verdict", group=plain(protocol)),
            prose("evidence", f"{protocol}_evidence", plain(protocol)),
        ]
    notes = [
        "Supported: every comparison of the claim holds, its interval leaving out 0; refuted: one is the other way round."
    ]
    notes.append(
        "Between two of our systems the paired difference decides, its interval and p as in the table of differences; against a cited"
        " one its printed number; losses are compared seed by seed. merflow.tables.verdicts has all rules. Nothing is corrected for the"
        " number of comparisons."
    )
    caption = "What the paper claims, what its own numbers say, and what ours say: on the test part, of losses on dev."
    return view.table("claims", "Claims", caption, pd.DataFrame(rows), columns, notes)


def headlines(view: Comparison, judged: Table) -> Iterator[str]:
    """One sentence per protocol: how many claims have which verdict."""
    if judged.frame.empty:
        return
    for protocol in view.protocols:
        counts = Counter(judged.frame[f"{protocol}_verdict"])
        told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])
        yield f"Claims of the paper{' on the demo corpus' if view.demo else ''}, {plain(protocol)}: {told}."


def compared(view: Comparison, claims: Sequence[Claim]) -> set[frozenset[str]]:
    """Pairs of systems that decide a claim."""
    by_class = [claim for claim in claims if not isinstance(claim.decided_by, Spread)]
    spread = [claim.decided_by.systems for claim in claims if isinstance(claim.decided_by, Spread)]
    both = [
        (pair.higher.system, pair.lower.system)
        for claim in by_class
        for pair in pairs(view, claim, lambda score: NAN)
    ]
    return {
        frozenset(pair)
        for pair in (*both, *(two for systems in spread for two in combinations(systems, 2)))
    }


def judge(view: Comparison, claim: Claim, protocol: str) -> Judged:
    """The verdict of a claim under a protocol."""
    if isinstance(claim.decided_by, Spread):
        return _judge_spread(view, claim.decided_by, protocol)

    def mean(score: Score) -> float:
        found = view.mean(score.system, protocol, score.metric, score.name)
        return found["value"] if found else NAN

    compared = pairs(view, claim, mean)
    judged = [_judge_pair(view, pair, protocol) for pair in compared]
    counts = Counter(one.verdict for one in judged)
    verdict = _verdict(counts)
    told = f"{counts['supported']} of {len(judged)} comparisons hold"
    told += "".join(
        f", {counts[name]} {name}"
        for name in ("refuted", "not run", "not compared")
        if 0 < counts[name] < len(judged)
    )
    if verdict == "not run":
        return Judged(
            verdict,
            ", ".join(
                _absent(
                    view, [score.system for pair in compared for score in pair.scores], protocol
                )
            ),
        )
    if verdict == "not compared":
        return Judged(verdict, "; ".join(dict.fromkeys(one.words for one in judged)))
    deciding = [one for one in judged if one.verdict == verdict]
    if not deciding:
        return Judged(verdict, told)
    least = min(deciding, key=lambda one: one.margin)
    return replace(least, words=f"{told}; decided by {least.words}")


def _absent(view: Comparison, systems: Sequence[str], protocol: str) -> list[str]:
    """Systems of ours that have no scores, each once."""
    return [
        name
        for name in dict.fromkeys(systems)
        if view.kind(name) != "cited" and not view.mean(name, protocol, "accuracy")
    ]


def _verdict(counts: Counter[str]) -> str:
    if counts["refuted"]:
        return "refuted"
    if set(counts) == {"supported"}:
        return "supported"
    if set(counts) <= {"not run", "not compared"}:
        return "not compared" if counts["not compared"] and not counts["not run"] else "not run"
    return "inconclusive"


def _judge_pair(view: Comparison, pair: Pair, protocol: str) -> Judged:
    ours = [score for score in pair.scores if view.kind(score.system) != "cited"]
    means = {
        score: found
        for score in ours
        if (found := view.mean(score.system, protocol, score.metric, score.name))
    }
    if not ours:
        return Judged("not compared", "both systems are cited ones")
    if view.unlike and (len(ours) == 1 or pair.higher.name):
        return Judged("not compared", f"ours answer another question than the paper: {view.unlike}")
    if len(means) < len(ours):
        return Judged("not run", "")
    if len(ours) == 1 and view.demo:
        return Judged("not compared", "figures from a demo corpus are not set against printed ones")
    if len(ours) == 1:
        return _against_printed(view, pair, means)
    if pair.higher.metric == LOSS:
        return _between_losses(view, pair, protocol)
    return (
        _between_classes(pair, means)
        if pair.higher.system == pair.lower.system
        else _between_systems(view, pair, protocol)
    )


def _between_systems(view: Comparison, pair: Pair, protocol: str) -> Judged:
    higher, lower = pair.higher.system, pair.lower.system
    found = view.difference(higher, lower, protocol, pair.higher.metric, pair.higher.name)
    if found is None:
        return Judged("not compared", f"{higher} and {lower} have no utterance in common")
    told = f"{pair.higher.full} minus that of {lower}: {points(found['value'])} {_limits(found)}, p {p_value(found['p'])}"
    if pair.higher.metric == "accuracy" and (tests := view.mcnemar(higher, lower, protocol)):
        told += f", McNemar's p {' to '.join(dict.fromkeys(p_value(one.p) for one in (tests[0], tests[-1])))}"
    return _decided(pair, told, found["value"], found["low"], found["high"])


def _between_losses(view: Comparison, pair: Pair, protocol: str) -> Judged:
    higher, lower = (view.losses(score.system, protocol) for score in pair.scores)
    spans = [
        " to ".join(dict.fromkeys(decimal(end) for end in (min(seeds), max(seeds))))
        for seeds in (higher, lower)
    ]
    told = f"{pair.higher}: {spans[0]}, of {pair.lower.system}: {spans[1]}"
    enough = 2 / comb(len(higher) + len(lower), len(higher)) <= 1 - view.confidence
    told += f"; {len(higher)} and {len(lower)} runs{'' if enough else ', too few to tell'}"
    gaps = (min(higher) - max(lower), max(higher) - min(lower)) if enough else (NAN, NAN)
    return _decided(pair, told, fmean(higher) - fmean(lower), *gaps)


def _against_printed(view: Comparison, pair: Pair, means: Means) -> Judged:
    (ours, mine), *_ = means.items()
    cited = pair.lower if ours == pair.higher else pair.higher
    printed = view.print_of(*cited)
    if printed is None:
        return Judged("not compared", f"the paper prints no {cited.full}")
    if printed["value"] == MISSING:
        return Judged("not compared", f"the printed {cited.full} is {MISSING}")
    told = f"{ours.full}: {_told(mine)}, {cited.system} has {as_printed(printed)} in print"
    low, value, high = (mine[key] - printed["share"] for key in ("low", "value", "high"))
    if ours == pair.lower:
        low, value, high = -high, -value, -low
    return _decided(pair, told, value, low, high)


def _between_classes(pair: Pair, means: Means) -> Judged:
    higher, lower = means[pair.higher], means[pair.lower]
    told = f"{pair.higher}: {pair.higher.name} {_told(higher)}, {pair.lower.name} {_told(lower)}"
    return _decided(
        pair,
        told,
        higher["value"] - lower["value"],
        higher["low"] - lower["high"],
        higher["high"] - lower["low"],
    )


def _judge_spread(view: Comparison, rule: Spread, protocol: str) -> Judged:
    if absent := _absent(view, rule.systems, protocol):
        return Judged("not run", ", ".join(absent))
    means = {
        name: found["value"]
        for name in rule.systems
        if (found := view.mean(name, protocol, rule.metric))
    }
    ranked = sorted(means, key=means.__getitem__)  # of equal means two systems, not one twice
    worst, best = Score(ranked[0], rule.metric), Score(ranked[-1], rule.metric)
    found = view.difference(best.system, worst.system, protocol, rule.metric)
    if found is None:
        return Judged(
            "not compared", f"{best.system} and {worst.system} have no utterance in common"
        )
    about, low, high = rule.about / 100, found["low"], found["high"]
    if not low <= about <= high:
        verdict = "inconclusive" if isnan(low) else "refuted"
    else:
        verdict = "supported" if low > 0 and high < 2 * about else "inconclusive"
    told = f"{best} minus that of {worst.system}, best and worst: {points(found['value'])} {_limits(found)}, {rule.about} claimed"
    return Judged(verdict, told, found["value"], rule.metric, found["value"], low, high)


def _limits(found: Mapping[str, float]) -> str:
    return interval(found["low"], found["high"], points)


def _told(mean: Mapping[str, float]) -> str:
    return f"{percent(mean['value'])} {interval(mean['low'], mean['high'])}"


def _decided(pair: Pair, told: str, effect: float, low: float, high: float) -> Judged:
    """A pair by the limits of its difference, which is meant to be above `pair.by`."""
    return Judged(
        _side(low - pair.by, high - pair.by),
        told,
        effect - pair.by,
        pair.higher.metric,
        effect,
        low,
        high,
    )


def _side(low: float, high: float) -> str:
    """Of the limits of a difference that is meant to be positive; NaN (one dialogue) decides nothing."""
    return "supported" if low > 0 else "refuted" if high < 0 else "inconclusive"


def in_print(view: Comparison, claim: Claim) -> str:
    """What the printed numbers say: "holds", "fails: ...", "not printed", or "not in the source" of a value that is."""
    if isinstance(claim.decided_by, Spread):
        return _spread_in_print(view, claim.decided_by)

    every = pairs(view, claim, lambda score: figure(view.print_of(*score)))
    failing, count, missing = [], 0, 0
    for pair in every:
        high, low = (view.print_of(*score) for score in pair.scores)
        if high is None or low is None:
            continue
        if MISSING in (high["value"], low["value"]):
            missing += 1
            continue
        count += 1
        gap = round(figure(high) - figure(low), 9)  # 0.62 and 62 % are the same
        if gap <= 0 or gap < pair.by:
            sign = "<" if gap < 0 else "=" if gap == 0 else "not enough above"
            names = [f"{score.system} {score.name}".strip() for score in pair.scores]
            failing.append(
                f"{names[0]} {as_printed(high)} {sign} {names[1]} {as_printed(low)} ({high['metric_as_printed']})"
            )
    if not count:
        return MISSING if missing else "not printed"
    part = "" if count == len(every) else f" ({count} of {len(every)} comparisons are printed)"
    return (f"fails: {', '.join(failing)}" if failing else "holds") + part


def _spread_in_print(view: Comparison, rule: Spread) -> str:
    cells = [view.print_of(name, rule.metric) for name in rule.systems]
    known = {
        name: cell
        for name, cell in zip(rule.systems, cells, strict=True)
        if cell is not None and cell["value"] != MISSING
    }
    if len(known) < len(cells):
        return "not printed" if None in cells else MISSING
    best, worst = (choose(known, key=lambda name: known[name]["share"]) for choose in (max, min))
    gap = round(100 * (known[best]["share"] - known[worst]["share"]), 9)
    told = f"{best} {as_printed(known[best])}, {worst} {as_printed(known[worst])}"
    digits = len(str(rule.about).partition(".")[2])
    return (
        "holds"
        if round(gap, digits) == rule.about
        else f"fails: {gap:g} points, not {rule.about:g} ({told})"
    )
