"""Claims: reported/<paper>.claims.yaml, what the paper claims of its scores, in its order, and what decides each claim.

A claim compares scores on test (a loss: on dev), in pairs: one is meant to be higher than the other. ``decided_by`` says which pairs:
  order          systems (`better`) against others (`than`), in each of `metrics`; cited systems go by their printed name.
                 `in_turn`: the first of `better` against the first of `than` and so on, not each against each; `by`: higher by at
                 least so many points
  class_weights  each system against the same one without class weights (<system>_unweighted), in each of `metrics`
  class_extreme  in each system, the class `lowest` against each other one, and each other one against the class `highest`
  most_confused  in each system, the `pair` of classes, in the direction in which it is confused more, against each other ordered pair
or, in one sort of claim, which difference:
  spread         the best minus the worst of `systems` in `metric` is `about` so many points
``systems: all`` are the systems of the paper's printed tables, without cited ones. Where several classes may be present at once, order
and class_weights may name `classes` (or all of them), each scored by itself; without them a score is the mean over the classes.
merflow.tables.verdicts has the rules of a verdict.
"""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
import yaml
from pydantic import Field

from merflow.corpora.labels import CLASSES, MULTI_LABEL
from merflow.errors import EvaluationError
from merflow.evaluation.metrics import BINARY_METRICS, CLASS_METRICS, LOSS, METRICS
from merflow.params import validated
from merflow.params.base import PositiveReal, Strict
from merflow.tables.reported import Row, grouped, is_key, systems_of

Names = Annotated[list[str], Field(min_length=1)]
Text = Annotated[str, Field(min_length=1)]


class Order(Strict):
    """Systems that score higher than others."""

    kind: Literal["order"]
    better: Names
    than: Names
    metrics: Names
    classes: Literal["all"] | Names | None = None
    in_turn: bool = False
    by: PositiveReal | None = None


class ClassWeights(Strict):
    """Class weights raise the scores of systems."""

    kind: Literal["class_weights"]
    systems: Literal["all"] | Names
    metrics: Names
    classes: Literal["all"] | Names | None = None


class Spread(Strict):
    """Systems that differ by so much, best from worst."""

    kind: Literal["spread"]
    systems: Annotated[list[str], Field(min_length=2)]
    metric: str
    about: PositiveReal


class ClassExtreme(Strict):
    """The hardest class, the easiest class, or both."""

    kind: Literal["class_extreme"]
    lowest: str | None = None
    highest: str | None = None
    metric: str
    systems: Literal["all"] | Names


class MostConfused(Strict):
    """Two classes that are taken for each other more often than any others."""

    kind: Literal["most_confused"]
    pair: Annotated[list[str], Field(min_length=2, max_length=2)]
    systems: Literal["all"] | Names


class Claim(Strict):
    """One claim: `claim` in our words, `quote` in the paper's, `note` on how we read it."""

    id: Text
    claim: Text
    quote: Text
    where: Text
    corpora: Names
    decided_by: Annotated[
        Order | ClassWeights | Spread | ClassExtreme | MostConfused, Field(discriminator="kind")
    ]
    note: str = ""


def load_claims(folder: Path, paper: str, printed: pd.DataFrame) -> list[Claim]:
    """The claims of a paper; none where it has no such file.

    Args:
        folder: the folder ``reported``.
        paper: key of the paper.
        printed: the paper's printed numbers (merflow.tables.reported).

    Raises:
        EvaluationError: the file is malformed, or names a corpus, system, metric or class that does not exist; one line.
    """
    path = folder / f"{paper}.claims.yaml"
    if not path.exists():
        return []
    try:
        read = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise EvaluationError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    claims = validated(list[Claim], read, str(path), EvaluationError)
    ids = [claim.id for claim in claims]
    tested = grouped(
        printed[(printed["split"] == "test") & (printed["table"] != "text")].to_dict("records"),
        "corpus",
    )
    for claim in claims:
        where = f"{path}, {claim.id}"
        if ids.count(claim.id) > 1:
            raise EvaluationError(
                f"{where}: stands {ids.count(claim.id)} times; give each claim an id of its own"
            )
        for corpus in claim.corpora:
            _known(where, "corpus", [corpus], dict.fromkeys(printed["corpus"]))
            _check(
                where,
                claim,
                corpus,
                paper,
                [row for row in tested.get((corpus,), []) if row["system"]],
            )
    return claims


def _check(where: str, claim: Claim, corpus: str, paper: str, scores: Sequence[Row]) -> None:
    """Refuse names that are not those of the paper; `scores`: what its tables print on the test part of the corpus."""
    rule, systems = claim.decided_by, dict.fromkeys(row["system"] for row in scores)
    own = dict.fromkeys([*filter(is_key, systems), *systems_of(paper)])
    if isinstance(rule, Order):
        _known(where, "system", [*rule.better, *rule.than], dict.fromkeys([*own, *systems]))
        if rule.in_turn and len(rule.better) != len(rule.than):
            raise EvaluationError(
                f"{where}: {len(rule.better)} systems cannot be set against {len(rule.than)} in turn"
            )
    else:
        _known(where, "system", [] if rule.systems == "all" else rule.systems, own)
    if isinstance(rule, Order | ClassWeights):
        losses = (LOSS,) if isinstance(rule, Order) and corpus not in MULTI_LABEL else ()
        _known(
            where,
            "metric",
            rule.metrics,
            [*(BINARY_METRICS if corpus in MULTI_LABEL else METRICS), *losses],
        )
        if rule.classes is not None and corpus not in MULTI_LABEL:
            raise EvaluationError(
                f"{where}: an utterance of {corpus} has one class, so no class has scores of its own; take classes out"
            )
        _known(
            where,
            "class",
            [] if rule.classes in (None, "all") else list(rule.classes),
            CLASSES[corpus],
        )
    if isinstance(rule, Order):
        if LOSS in rule.metrics and (rule.by or not {*rule.better, *rule.than} <= set(own)):
            raise EvaluationError(
                f"{where}: losses are compared between systems of the paper, and have no points; take by and others out"
            )
        about = {(row["system"], row["metric"], row["class"]) for row in scores}
        for (higher, lower), metric, name in product(
            versus(rule), rule.metrics, classes_of(rule.classes, corpus)
        ):
            if higher == lower:
                raise EvaluationError(f"{where}: {higher} is meant to be better than itself")
            for system in (higher, lower):
                if system not in own and (system, metric, name) not in about:
                    what = f"{metric} of {system}{f' ({name})' if name else ''}"
                    raise EvaluationError(
                        f"{where}: the paper prints no {what} on the test part of {corpus}; take it out"
                    )
    elif isinstance(rule, Spread):
        _known(where, "metric", [rule.metric], BINARY_METRICS if corpus in MULTI_LABEL else METRICS)
    elif isinstance(rule, ClassExtreme | MostConfused):
        if isinstance(rule, ClassExtreme):
            _known(where, "metric", [rule.metric], CLASS_METRICS)
            if rule.lowest == rule.highest:
                raise EvaluationError(
                    f"{where}: name a lowest class, a highest class, or two different ones"
                )
        names = [rule.lowest, rule.highest] if isinstance(rule, ClassExtreme) else rule.pair
        _known(where, "class", [name for name in names if name is not None], CLASSES[corpus])


def versus(rule: Order) -> list[tuple[str, str]]:
    """The systems of an order, the one that is meant to be higher first."""
    return (
        list(zip(rule.better, rule.than, strict=True))
        if rule.in_turn
        else list(product(rule.better, rule.than))
    )


def classes_of(classes: Literal["all"] | list[str] | None, corpus: str) -> list[str]:
    """Names of classes; none of them: an empty name, which stands for the mean over all."""
    return [""] if classes is None else list(CLASSES[corpus]) if classes == "all" else list(classes)


def _known(where: str, what: str, names: list[str], known: object) -> None:
    for name in names:
        if name not in list(known):  # type: ignore[call-overload]
            raise EvaluationError(f"{where}: unknown {what} {name!r}; known: {', '.join(known)}")  # type: ignore[arg-type]
