"""The cross table: all systems of all papers, on all corpora, under the protocol ``clean``, the one that they share.

Two papers may ask different things of one corpus: so many classes, one of them or any number at once, on some test part. What they ask
alike is a *question*; its systems stand in one table, sorted by score, and no other's beside them.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from math import isnan
from typing import Any, NamedTuple

import pandas as pd

from merflow.corpora.labels import CLASSES
from merflow.evaluation.baselines import BASELINES
from merflow.evaluation.metrics import BINARY_METRICS
from merflow.tables.columns import limits_column, ours_column
from merflow.tables.comparison import FIGURE, HEADERS, NAN, NEGATIVE, Comparison, formulas
from merflow.tables.render import NOTHING, Column, Table, number, plain, spread, words
from merflow.tables.reported import Row, is_key, systems_of

PROTOCOL = "clean"
METRICS = ("weighted_f1", "accuracy", "uar", "macro_f1")
UNASKED = "the paper prints nothing on the corpus, and params.yaml names no split of it for the paper (papers.<paper>.protocols)."


class Question(NamedTuple):
    """What is asked of a system; two are the same only where their test parts are.

    Attributes:
        part: how many utterances of each class the test part has, and what it shares with train, so that other folds are another part.
    """

    corpus: str
    classes: int
    several: bool
    part: tuple[tuple[str, str, float], ...]

    @property
    def words(self) -> str:
        """What is told apart."""
        return f"{'any' if self.several else 'one'} of {self.classes} classes"


class Answers(NamedTuple):
    """Who answers a question: a column of the whole, and a table of its own (`name`) unless nobody does."""

    name: str
    corpus: str
    words: str
    views: Sequence[Comparison]


def question_of(view: Comparison) -> Question:
    """What `PROTOCOL` asks in `view`, which has it."""
    rows = view.parts[
        (view.parts["protocol"] == PROTOCOL) & (view.parts["split"] == "test")
    ].fillna({"class": ""})
    part = tuple(
        rows[["metric", "class", "value"]]
        .sort_values(["metric", "class"])
        .itertuples(index=False, name=None)
    )
    classes = view.means.loc[view.means["protocol"] == PROTOCOL, "classes"]
    return Question(view.corpus, int(classes.iloc[0]), view.multi_label, part)


def tables(views: Sequence[Comparison]) -> Iterator[Table]:
    """The whole at a glance, then one table for each question.

    Args:
        views: of all papers on all corpora.
    """
    questions: dict[Question, list[Comparison]] = {}
    for view in views:
        if PROTOCOL in view.protocols:
            questions.setdefault(question_of(view), []).append(view)
    columns = []
    found = {view.corpus for view in views}
    for corpus in (
        *(name for name in CLASSES if name in found),
        *sorted(found - set(CLASSES)),
    ):  # one's own come last
        asked = sorted(one for one in questions if one.corpus == corpus)
        for place, one in enumerate(asked, 1):
            columns.append(
                Answers(
                    f"cross-{corpus}" + (f"-{place}" if len(asked) > 1 else ""),
                    corpus,
                    one.words,
                    questions[one],
                )
            )
        if not asked:
            columns.append(Answers(f"cross-{corpus}", corpus, "nothing run", []))
    if questions:
        yield _matrix(views, columns)
    for answers in columns:
        if answers.views:
            yield _ranking(answers, [view for view in views if view.corpus == answers.corpus])


def _systems(views: Sequence[Comparison]) -> list[str]:
    """Systems of a paper that ran, that it prints, or that its parameters know, in its order."""
    known = [
        sorted({*filter(is_key, view.names), *view.systems} - set(BASELINES), key=view.rank)
        for view in views
    ]
    return list(dict.fromkeys([*chain.from_iterable(known), *systems_of(views[0].paper)]))


def _why(views: Sequence[Comparison], system: str) -> str:
    """Why `system` of the paper of `views`, all on one corpus, has no score under `PROTOCOL`."""
    if any(system in view.systems for view in views):
        return f"not run under {PROTOCOL}, but {', '.join(plain(name) for view in views for name in view.protocols if name != PROTOCOL)}"
    return views[0].reason(system)


def _matrix(views: Sequence[Comparison], columns: Sequence[Answers]) -> Table:
    """Systems down, questions across."""
    rows: list[dict[str, Any]] = []
    reasons: dict[str, int] = {}  # in the order in which they are given, counted from 1
    for paper in dict.fromkeys(view.paper for view in views):
        own = [view for view in views if view.paper == paper]
        for system in _systems(own):
            row: dict[str, Any] = {"paper": paper, "system": system, "kind": "absent"}
            for one in columns:
                there = [view for view in own if view.corpus == one.corpus]
                mine = next((view for view in there if view in one.views), None)
                elsewhere = any(view in other.views for other in columns for view in there)
                row |= {f"{one.name}{ending}": NAN for ending in FIGURE} | {f"{one.name}_why": ""}
                if mine and mine.mean(system, PROTOCOL, mine.main):
                    row |= {
                        f"{one.name}{ending}": value
                        for ending, value in mine.figures(system, PROTOCOL, mine.main).items()
                    }
                    row["kind"] = "system"
                elif there and (mine or not elsewhere):
                    row[f"{one.name}_why"] = why = _why(there, system)
                    reasons.setdefault(why, len(reasons) + 1)
            rows.append(row)
    majority: dict[str, Any] = {"paper": "", "system": "majority", "kind": "baseline"} | {
        f"{one.name}_why": "" for one in columns
    }
    for one in columns:
        found = (
            one.views[0].figures("majority", PROTOCOL, one.views[0].main)
            if one.views
            else dict.fromkeys(FIGURE, NAN)
        )
        majority |= {f"{one.name}{ending}": value for ending, value in found.items()}

    def column(one: Answers) -> Column:
        def cell(row: Row) -> str:
            if pd.notna(row[one.name]):
                return spread(row[one.name], row[f"{one.name}_std"])
            why = row[f"{one.name}_why"]
            return f"not run ({reasons[why]})" if why else NOTHING

        return Column(
            f"{one.words}, {HEADERS[one.views[0].main]}" if one.views else one.words,
            cell,
            one.corpus,
        )

    demo = sorted({view.corpus for view in views if view.demo})
    notes = (
        [
            f"Demo: figures under {', '.join(demo)} are on synthetic corpora in their layout, no results on them."
        ]
        if demo
        else []
    )
    notes += [
        "Only figures of one column answer one question; the tables below have their intervals, and how many utterances were scored."
    ]
    notes += [f"{NOTHING}: {UNASKED}", *(f"({k}) {why}." for why, k in reasons.items())]
    title = f"All systems of all papers, {PROTOCOL}{', demo corpora' if demo else ''}."
    caption = "Test part, in percent: mean ± standard deviation over seeds."
    shown = (words("system", "system"), words("paper", "paper"), *map(column, columns))
    return Table(
        "cross",
        title,
        caption,
        pd.DataFrame([*rows, majority]),
        shown,
        tuple(notes),
        bool(demo),
        anchor="overall-cross",
    )


def _ranking(answers: Answers, there: Sequence[Comparison]) -> Table:
    """The systems that answer a question, the best first, with the trivial baselines; below it those that could, but were not run."""
    first = answers.views[0]
    metrics = list(dict.fromkeys([first.main, *(BINARY_METRICS if first.multi_label else METRICS)]))
    rows = [
        _row(view, name, metrics)
        for view in answers.views
        for name in view.systems
        if view.mean(name, PROTOCOL, first.main)
    ]
    rows += [
        _row(first, name, metrics) | {"paper": ""}
        for name in BASELINES
        if first.mean(name, PROTOCOL, first.main)
    ]
    rows.sort(key=lambda row: -row[first.main])
    whole = max(row["n"] for row in rows)
    figures = [f"{metric}{ending}" for metric in metrics for ending in FIGURE]
    frame = pd.DataFrame(
        rows, columns=["paper", "system", "kind", *figures, "seeds", "n", "source", "inputs"]
    )
    columns = [
        words("system", "system"),
        words("paper", "paper"),
        ours_column(HEADERS[first.main], first.main, ""),
    ]
    columns += [
        limits_column(first, first.main, ""),
        *(ours_column(HEADERS[metric], metric, "") for metric in metrics[1:]),
    ]
    columns += [
        number("seeds", "seeds", lambda count: f"{count:.0f}" if count > 0 else ""),
        number("n", "n", partial(_of, whole=whole)),
    ]
    columns += [words("source", "source"), words("inputs", "inputs")]
    notes = [
        *first.demo_notes,
        f"Sorted by {HEADERS[first.main]}; [ ]: bootstrap interval of its mean over dialogues.",
    ]
    notes += [
        "n: utterances scored. Who lacks an input of some leaves them out: where n differs, a small difference is no order."
    ]
    notes += [
        "Systems of one paper are compared on common utterances in its table of differences; between papers, by their intervals."
    ]
    notes += [formulas(metrics, first.multi_label), *([NEGATIVE] if first.multi_label else [])]
    notes += [
        line
        for view in answers.views
        for line in _absent(view, [other for other in there if other.paper == view.paper])
    ]
    title = f"All systems, {PROTOCOL}, {answers.words}, {first.where}."
    caption = "Test part, in percent: mean ± standard deviation over seeds."
    return Table(
        answers.name,
        title,
        caption,
        frame,
        tuple(columns),
        tuple(notes),
        first.demo,
        anchor=f"overall-{answers.name}",
    )


def _absent(view: Comparison, same: Sequence[Comparison]) -> Iterator[str]:
    """What of the paper of `view`, whose views on the corpus are `same`, has no score, by the reason."""
    reasons: dict[str, list[str]] = {}
    for name in _systems([view]):
        if not view.mean(name, PROTOCOL, view.main):
            reasons.setdefault(_why(same, name), []).append(name)
    for why, names in reasons.items():
        yield f"{view.paper}: {', '.join(names)}: {why}."


def _row(view: Comparison, system: str, metrics: Sequence[str]) -> dict[str, Any]:
    scored = view.about(system, [], "test", [PROTOCOL])
    about = {
        "paper": view.paper,
        "system": system,
        "kind": scored["kind"],
        "seeds": view.n_seeds(system, PROTOCOL, "test"),
    }
    about |= {"n": int(scored["n"]), "source": scored["source"], "inputs": scored["inputs"] or NAN}
    for metric in metrics:
        about |= {
            f"{metric}{ending}": value
            for ending, value in view.figures(system, PROTOCOL, metric).items()
        }
    return about


def _of(n: float, whole: float) -> str:
    return "" if isnan(n) else f"{n:.0f}" if n == whole else f"{n:.0f} of {whole:.0f}"
