"""Deviations from a paper, and readings of it: reported/<paper>.deviations.yaml.

A list of places of the paper, in its order. Keys of an entry:
  id       unique in the file
  kind     deviation: done otherwise; reading: the paper is silent or ambiguous, and is read so;
           absent: not done here
  where    place in the paper
  paper    what the paper says. Its own words stand in “ ”, and everything else is ours
  here     what is done here
  why      the reason
  systems  systems of the paper that it concerns; without the key all
  params   dotted keys of params.yaml that decide it
  effect   pairs of systems whose difference shows what it changes, `of` minus `against`, in
           `metric` on `corpora`. Tables take it from the scores: no number stands in the file
merflow.tables.deviation_tables shows them.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from merflow.errors import EvaluationError
from merflow.evaluation.metrics import BINARY_METRICS, METRICS
from merflow.params.base import NAME, Strict
from merflow.params.keys import unknown_part
from merflow.registry import CORPORA
from merflow.tables.entries import check_names, read_entries
from merflow.tables.reported import systems_of

Names = Annotated[list[str], Field(min_length=1)]
Text = Annotated[str, Field(min_length=1)]


class Effect(Strict):
    """Two systems whose difference shows what a deviation changes."""

    of: str
    against: str
    metric: str
    corpora: Names


class Deviation(Strict):
    """A place of the paper and what is done here."""

    id: Annotated[str, Field(pattern=NAME)]
    kind: Literal["deviation", "reading", "absent"]
    where: Text
    paper: Text
    here: Text
    why: Text
    systems: Names | None = None
    params: Names = Field(default_factory=list)
    effect: Annotated[list[Effect], Field(min_length=1)] = Field(default_factory=list)


def pairs_of(deviations: Iterable[Deviation], corpus: str) -> set[frozenset[str]]:
    """Pairs of systems whose difference shows what a deviation changes on a corpus."""
    effects = (effect for deviation in deviations for effect in deviation.effect)
    return {frozenset((each.of, each.against)) for each in effects if corpus in each.corpora}


def path_of(folder: Path, paper: str) -> Path:
    """File of a paper in the folder ``reported``."""
    return folder / f"{paper}.deviations.yaml"


def load_deviations(folder: Path, paper: str) -> list[Deviation]:
    """Read the deviations from a paper; none without the file.

    Args:
        folder: the folder ``reported``.
        paper: key of the paper.

    Raises:
        EvaluationError: the file is malformed, or names an unknown system, metric or corpus, or a
            key that params.yaml does not have.
    """
    path = path_of(folder, paper)
    deviations = read_entries(path, Deviation)
    systems = systems_of(paper)
    for deviation in deviations:
        where = f"{path}, {deviation.id}"
        check_names(where, "system", deviation.systems or (), systems)
        for key in deviation.params:
            if fault := unknown_part(key):
                raise EvaluationError(f"{where}: params.yaml has no key {key}: {fault}")
        for effect in deviation.effect:
            check_names(where, "system", (effect.of, effect.against), systems)
            check_names(where, "metric", [effect.metric], [*METRICS, *BINARY_METRICS])
            check_names(where, "corpus", effect.corpora, CORPORA)
            if effect.of == effect.against:
                raise EvaluationError(f"{where}: {effect.of} has no difference from itself")
    return deviations
