"""Verdicts of claims: each pair of scores of a claim (merflow.tables.claims) is judged, then the claim.

A pair says that one score is higher than another. It is
  supported     if an interval says so, refuted if the interval says the opposite, inconclusive otherwise:
                two of our systems             the interval of their paired difference leaves out 0
                a cited system                 the interval of ours leaves out the printed number
                two classes of one system      their intervals do not overlap (which asks for more than a paired difference would)
  not run       where one of our systems has no scores under the protocol
  not compared  where ours and the printed number are of different data: a demo corpus, or other classes; between two cited
                systems, and between two of ours without a common utterance
A claim is supported if all its pairs are, refuted if one is refuted, not run or not compared if no pair could be judged, and
inconclusive otherwise. Its evidence names the pair that decided: of those with the claim's verdict, the one that differs least in the
claimed direction. Intervals are not corrected for the number of pairs.

What the paper's own numbers say is decided by those pairs of which both scores are printed, to the printed digits: it holds if the one
that is meant to be higher is higher in all of them.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import NamedTuple

import pandas as pd

from merflow.corpora.labels import CLASSES
from merflow.tables.claims import Claim, ClassExtreme, Order, pairs_of_classes
from merflow.tables.comparison import HEADERS, NAN, Comparison, as_percent
from merflow.tables.render import Table, interval, percent, plain, points, prose, words

VERDICTS = ("supported", "refuted", "inconclusive", "not run", "not compared")


class Score(NamedTuple):
    """A score on test; `name`: of the class, or pair of classes."""

    system: str
    metric: str
    name: str = ""

    def __str__(self) -> str:
        return f"{HEADERS.get(self.metric, self.metric)} of {self.system}"


class Pair(NamedTuple):
    """Two scores, the first meant to be higher."""

    higher: Score
    lower: Score


Means = Mapping[Score, Mapping[str, float]]


@dataclass(frozen=True)
class Judged:
    """A pair, or a claim, with its verdict.

    Attributes:
        verdict: one of VERDICTS.
        words: what was compared, or why it was not.
        difference: higher minus lower, NaN where not compared.
    """

    verdict: str
    words: str
    difference: float = NAN


def table(view: Comparison, claims: Sequence[Claim]) -> Table:
    """One row per claim: what the paper says, what its own numbers say, and the verdict under each protocol."""
    rows = []
    for claim in claims:
        row = claim.model_dump(include={"id", "claim", "quote", "where", "note"}) | {"kind": "system", "print": in_print(view, claim)}
        row["said"] = f"“{claim.quote}” ({claim.where})" + (f" [{claim.note}]" if claim.note else "")
        for protocol in view.protocols:
            judged = judge(view, claim, protocol)
            row |= {f"{protocol}_verdict": judged.verdict, f"{protocol}_evidence": judged.words}
        rows.append(row)
    columns = [prose("claim", "claim"), prose("in the paper [how it is read]", "said"), prose("its printed numbers", "print")]
    for protocol in view.protocols:
        columns += [
            words("verdict", f"{protocol}_verdict", group=plain(protocol)),
            prose("evidence", f"{protocol}_evidence", plain(protocol)),
        ]
    notes = ["Supported: every comparison of the claim holds, its interval leaving out 0; refuted: one is the other way round."]
    notes.append(
        "Between two of our systems the paired difference decides, against a cited one its printed number. merflow.tables.verdicts"
    )
    notes[-1] += " has all rules. The intervals are not corrected for the number of comparisons."
    caption = "What the paper claims, what its own numbers say, and what ours say on the test part."
    return view.table("claims", "Claims", caption, pd.DataFrame(rows), columns, notes)


def headlines(view: Comparison, judged: Table) -> Iterator[str]:
    """One sentence per protocol: how many claims have which verdict."""
    if judged.frame.empty:
        return
    for protocol in view.protocols:
        counts = Counter(judged.frame[f"{protocol}_verdict"])
        told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])
        yield f"Claims of the paper{' on the demo corpus' if view.demo else ''}, {plain(protocol)}: {told}."


def judge(view: Comparison, claim: Claim, protocol: str) -> Judged:
    """The verdict of a claim under a protocol."""

    def mean(score: Score) -> float:
        found = view.mean(score.system, protocol, score.metric, score.name)
        return found["value"] if found else NAN

    compared = pairs(view, claim, mean)
    judged = [_judge_pair(view, pair, protocol) for pair in compared]
    counts = Counter(one.verdict for one in judged)
    verdict = _verdict(counts)
    told = f"{counts['supported']} of {len(judged)} comparisons hold"
    told += "".join(f", {counts[name]} {name}" for name in ("refuted", "not run", "not compared") if 0 < counts[name] < len(judged))
    if verdict == "not run":
        systems = dict.fromkeys(score.system for pair in compared for score in pair)
        absent = [name for name in systems if view.kind(name) != "cited" and not view.mean(name, protocol, "accuracy")]
        return Judged(verdict, ", ".join(absent))
    if verdict == "not compared":
        return Judged(verdict, "; ".join(dict.fromkeys(one.words for one in judged)))
    deciding = [one for one in judged if one.verdict == verdict]
    if not deciding:
        return Judged(verdict, told)
    least = min(deciding, key=lambda one: one.difference)
    return Judged(verdict, f"{told}; decided by {least.words}", least.difference)


def _verdict(counts: Counter[str]) -> str:
    if counts["refuted"]:
        return "refuted"
    if set(counts) == {"supported"}:
        return "supported"
    if set(counts) <= {"not run", "not compared"}:
        return "not compared" if counts["not compared"] and not counts["not run"] else "not run"
    return "inconclusive"


def pairs(view: Comparison, claim: Claim, value: Callable[[Score], float]) -> list[Pair]:
    """The pairs that decide a claim. `value` of a score, NaN where there is none, says in which direction two classes are confused more."""
    rule = claim.decided_by
    if isinstance(rule, Order):
        return [Pair(Score(a, metric), Score(b, metric)) for metric in rule.metrics for a in rule.better for b in rule.than]
    own = [name for name in dict.fromkeys(view.printed.loc[view.printed["split"] == "test", "system"]) if view.kind(name) != "cited"]
    found: list[Pair] = []
    for system in own if rule.systems == "all" else rule.systems:
        if isinstance(rule, ClassExtreme):
            scores = {name: Score(system, rule.metric, name) for name in CLASSES[view.corpus]}
            if rule.lowest is not None:
                found += [Pair(scores[name], scores[rule.lowest]) for name in scores if name != rule.lowest]
            if rule.highest is not None:
                found += [Pair(scores[rule.highest], scores[name]) for name in scores if name != rule.highest]
        else:
            first, second = rule.pair
            both = [Score(system, "confused", name) for name in (f"{first} as {second}", f"{second} as {first}")]
            most = max(both, key=lambda score: -1.0 if isnan(value(score)) else value(score))
            others = (Score(system, "confused", name) for name in pairs_of_classes(view.corpus))
            found += [Pair(most, other) for other in others if other not in both]
    return list(dict.fromkeys(found))


def _judge_pair(view: Comparison, pair: Pair, protocol: str) -> Judged:
    ours = [score for score in pair if view.kind(score.system) != "cited"]
    means = {score: found for score in ours if (found := view.mean(score.system, protocol, score.metric, score.name))}
    if not ours:
        return Judged("not compared", "both systems are cited ones")
    if view.fewer is not None and (len(ours) == 1 or pair.higher.name):
        return Judged("not compared", f"the corpus has {len(CLASSES[view.corpus])} classes, ours tell {view.fewer} apart")
    if len(means) < len(ours):
        return Judged("not run", "")
    if len(ours) == 1 and view.demo:
        return Judged("not compared", "figures from a demo corpus are not set against printed ones")
    if len(ours) == 1:
        return _against_printed(view, pair, means)
    return _between_classes(pair, means) if pair.higher.system == pair.lower.system else _between_systems(view, pair, protocol)


def _between_systems(view: Comparison, pair: Pair, protocol: str) -> Judged:
    found = view.difference(pair.higher.system, pair.lower.system, protocol, pair.higher.metric)
    if found is None:
        return Judged("not compared", f"{pair.higher.system} and {pair.lower.system} have no utterance in common")
    told = f"{pair.higher} minus that of {pair.lower.system}: {points(found['value'])} {interval(found['low'], found['high'], points)}"
    return Judged(_side(found["low"], found["high"]), told, found["value"])


def _against_printed(view: Comparison, pair: Pair, means: Means) -> Judged:
    (ours, mine), *_ = means.items()
    cited = pair.lower if ours == pair.higher else pair.higher
    printed = view.print_of(*cited)
    if printed is None:
        return Judged("not compared", f"the paper prints no {cited}")
    told = f"{ours}: {_told(mine)}, {cited.system} has {as_percent(printed)} in print"
    low, value, high = (mine[key] - printed["share"] for key in ("low", "value", "high"))
    if ours == pair.lower:
        low, value, high = -high, -value, -low
    return Judged(_side(low, high), told, value)


def _between_classes(pair: Pair, means: Means) -> Judged:
    higher, lower = means[pair.higher], means[pair.lower]
    told = f"{pair.higher}: {pair.higher.name} {_told(higher)}, {pair.lower.name} {_told(lower)}"
    return Judged(_side(higher["low"] - lower["high"], higher["high"] - lower["low"]), told, higher["value"] - lower["value"])


def _told(mean: Mapping[str, float]) -> str:
    return f"{percent(mean['value'])} {interval(mean['low'], mean['high'])}"


def _side(low: float, high: float) -> str:
    """Of the limits of a difference that is meant to be positive; NaN (one dialogue) decides nothing."""
    return "supported" if low > 0 else "refuted" if high < 0 else "inconclusive"


def in_print(view: Comparison, claim: Claim) -> str:
    """What the printed numbers say: "holds", "fails: ..." or "not printed"."""

    def share(score: Score) -> float:
        found = view.print_of(*score)
        return NAN if found is None else found["share"]

    every = pairs(view, claim, share)
    failing, count = [], 0
    for pair in every:
        high, low = (view.print_of(*score) for score in pair)
        if high is not None and low is not None:
            count += 1
            gap = round(high["share"] - low["share"], 9)  # 0.62 and 62 % are the same
            if gap <= 0:
                sign = "<" if gap else "="
                names = [f"{score.system} {score.name}".strip() for score in pair]
                failing.append(f"{names[0]} {as_percent(high)} {sign} {names[1]} {as_percent(low)} ({high['metric_as_printed']})")
    if not count:
        return "not printed"
    part = "" if count == len(every) else f" ({count} of {len(every)} comparisons are printed)"
    return (f"fails: {', '.join(failing)}" if failing else "holds") + part
