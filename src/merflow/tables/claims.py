"""Claims: reported/<paper>.claims.yaml, what the paper claims of its scores, in its order, and what decides each claim.

A claim compares scores on test, in pairs: one is meant to be higher than the other. ``decided_by`` says which pairs:
  order          systems (`better`) against others (`than`), in each of `metrics`; cited systems go by their printed name
  class_extreme  in each system, the class `lowest` against each other one, and each other one against the class `highest`
  most_confused  in each system, the `pair` of classes, in the direction in which it is confused more, against each other ordered pair
``systems: all`` are the systems of the paper's printed tables, without cited ones. merflow.tables.verdicts has the rules of a verdict.
"""

from itertools import permutations, product
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
import yaml
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from merflow.corpora.labels import CLASSES
from merflow.errors import EvaluationError
from merflow.evaluation.metrics import CLASS_METRICS, METRICS
from merflow.params import Papers, explain
from merflow.params.base import Strict
from merflow.tables.comparison import is_key

Names = Annotated[list[str], Field(min_length=1)]
Text = Annotated[str, Field(min_length=1)]


class Order(Strict):
    """Systems that score higher than others."""

    kind: Literal["order"]
    better: Names
    than: Names
    metrics: Names


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
    decided_by: Annotated[Order | ClassExtreme | MostConfused, Field(discriminator="kind")]
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
        read = yaml.safe_load(path.read_text(encoding="utf-8"))
        claims = TypeAdapter(list[Claim]).validate_python(read)
    except yaml.YAMLError as error:
        raise EvaluationError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        raise EvaluationError(explain(error, str(path))) from error
    ids = [claim.id for claim in claims]
    for claim in claims:
        where = f"{path}, {claim.id}"
        if ids.count(claim.id) > 1:
            raise EvaluationError(f"{where}: stands {ids.count(claim.id)} times; give each claim an id of its own")
        for corpus in claim.corpora:
            _known(where, "corpus", [corpus], dict.fromkeys(printed["corpus"]))
            _check(where, claim, corpus, paper, printed)
    return claims


def _check(where: str, claim: Claim, corpus: str, paper: str, printed: pd.DataFrame) -> None:
    rule = claim.decided_by
    scores = printed[(printed["corpus"] == corpus) & (printed["split"] == "test") & (printed["table"] != "text")]
    own = dict.fromkeys([*filter(is_key, scores["system"]), *_systems(paper)])
    if isinstance(rule, Order):
        _known(where, "metric", rule.metrics, METRICS)
        _known(where, "system", [*rule.better, *rule.than], dict.fromkeys([*own, *scores["system"]]))
        if twice := set(rule.better) & set(rule.than):
            raise EvaluationError(f"{where}: {min(twice)} is meant to be better than itself")
        for system, metric in product([*rule.better, *rule.than], rule.metrics):
            if system not in own and not len(scores[(scores["system"] == system) & (scores["metric"] == metric)]):
                raise EvaluationError(f"{where}: the paper prints no {metric} of {system} on the test part of {corpus}; take it out")
        return
    _known(where, "system", [] if rule.systems == "all" else rule.systems, own)
    if isinstance(rule, ClassExtreme):
        _known(where, "metric", [rule.metric], CLASS_METRICS)
        if rule.lowest == rule.highest:
            raise EvaluationError(f"{where}: name a lowest class, a highest class, or two different ones")
    names = [rule.lowest, rule.highest] if isinstance(rule, ClassExtreme) else rule.pair
    _known(where, "class", [name for name in names if name is not None], CLASSES[corpus])


def _known(where: str, what: str, names: list[str], known: object) -> None:
    for name in names:
        if name not in list(known):  # type: ignore[call-overload]
            raise EvaluationError(f"{where}: unknown {what} {name!r}; known: {', '.join(known)}")  # type: ignore[arg-type]


def _systems(paper: str) -> list[str]:
    """Systems that the parameters of the paper name, printed or not."""
    block = Papers.model_fields.get(paper)
    systems = block.annotation.model_fields["systems"].annotation if block else None  # type: ignore[union-attr]
    return list(systems.model_fields) if isinstance(systems, type) and issubclass(systems, BaseModel) else []


def pairs_of_classes(corpus: str) -> list[str]:
    """Names of all ordered pairs of classes, as merflow.evaluation.metrics has them."""
    return [f"{true} as {predicted}" for true, predicted in permutations(CLASSES[corpus], 2)]
