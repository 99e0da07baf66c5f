"""Claims of a paper about its scores, and how each is decided: reported/<paper>.claims.yaml.

A claim compares scores on test (losses on dev) in pairs, of which one should be higher.
``decided_by`` says which pairs:
  order          systems (`better`) against others (`than`), in each of `metrics`; cited systems go
                 by their printed name, trivial baselines by their key (majority). `in_turn`: the
                 first of `better` against the first of `than` and so on, not each against each.
                 `by`: higher by at least this many points
  class_weights  each system against the same one without class weights (<system>_unweighted)
  class_extreme  in each system, the class `lowest` against every other class, and every other class
                 against the class `highest`
  most_confused  in each system, the `pair` of classes, in the direction in which it is confused
                 more, against every other ordered pair
  over_epochs    each system after its last epoch against the same one after its first, weighted F1
                 on dev
or, for one kind of claim, which difference:
  spread         the best minus the worst of `systems` in `metric` is `about` this many points, or
                 `at_most` them
or, for one kind of claim, which number:
  confusion      the largest share of one of two classes (`pair`) that is taken for the other, of
                 all `systems`, is `about` this many percent
or, for claims that no score decides:
  nothing        `reason` says why
``systems: all`` are the systems of the paper's printed tables, without cited ones. Order and
class_weights may name `classes` (or all of them), each scored by itself. In a multi-class task
these have recall, precision and F1. Without `classes` a score is of all classes together. ``split``
is the split that the sentence itself names. merflow.tables.verdicts has the rules of a verdict.
"""

from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import pandas as pd
from pydantic import Field

from merflow.corpora.labels import CLASSES, MULTI_LABEL
from merflow.errors import EvaluationError
from merflow.evaluation.baselines import BASELINES
from merflow.evaluation.metrics import BINARY_METRICS, CLASS_METRICS, LOSS, METRICS
from merflow.params.base import PositiveReal, Strict
from merflow.tables.entries import check_names, read_entries
from merflow.tables.reported import Row, beside, grouped, is_key, systems_of

Names = Annotated[list[str], Field(min_length=1)]
Text = Annotated[str, Field(min_length=1)]
SPLITS = ("train", "dev", "test")


class Order(Strict):
    """Systems that score higher than others."""

    kind: Literal["order"]
    better: Names
    than: Names
    metrics: Names
    classes: Literal["all"] | Names | None = None
    in_turn: bool = False
    by: PositiveReal | None = None

    @property
    def versus(self) -> list[tuple[str, str]]:
        """Pairs of systems; the first should be higher."""
        if self.in_turn:
            return list(zip(self.better, self.than, strict=True))
        return list(product(self.better, self.than))


class ClassWeights(Strict):
    """Systems whose scores rise with class weights."""

    kind: Literal["class_weights"]
    systems: Literal["all"] | Names
    metrics: Names
    classes: Literal["all"] | Names | None = None


class OverEpochs(Strict):
    """Systems that improve while they train."""

    kind: Literal["over_epochs"]
    systems: Names


class Spread(Strict):
    """Systems whose best and worst score differ by a number of points."""

    kind: Literal["spread"]
    systems: Annotated[list[str], Field(min_length=2)]
    metric: str
    about: PositiveReal
    at_most: bool = False


class ClassExtreme(Strict):
    """The hardest class, the easiest class, or both."""

    kind: Literal["class_extreme"]
    lowest: str | None = None
    highest: str | None = None
    metric: str
    systems: Literal["all"] | Names


class MostConfused(Strict):
    """Two classes that are confused more often than any others."""

    kind: Literal["most_confused"]
    pair: Annotated[list[str], Field(min_length=2, max_length=2)]
    systems: Literal["all"] | Names


class Confusion(Strict):
    """Two classes of which the largest confusion is about a number of percent."""

    kind: Literal["confusion"]
    pair: Annotated[list[str], Field(min_length=2, max_length=2)]
    about: PositiveReal
    systems: Literal["all"] | Names


class Nothing(Strict):
    """No scores that would decide the claim, in print or here."""

    kind: Literal["nothing"]
    reason: Text


Rule = (
    Order | ClassWeights | OverEpochs | Spread | ClassExtreme | MostConfused | Confusion | Nothing
)


class Claim(Strict):
    """A claim in our words (`claim`) and the paper's (`quote`); `note`: how it is read.

    The audit holds a claim against the numbers of every split, or of `split` if it names one.
    """

    id: Text
    claim: Text
    quote: Text
    where: Text
    corpora: Names
    decided_by: Annotated[Rule, Field(discriminator="kind")]
    note: str = ""
    split: Literal["train", "dev", "test"] | None = None


def load_claims(folder: Path, paper: str, printed: pd.DataFrame) -> list[Claim]:
    """Read the claims of a paper; none without the file.

    Args:
        folder: the folder ``reported``.
        paper: key of the paper.
        printed: the paper's printed numbers (merflow.tables.reported).

    Raises:
        EvaluationError: the file is malformed, or names an unknown corpus, system, metric or class.
    """
    path = folder / f"{paper}.claims.yaml"
    claims = read_entries(path, Claim)
    on_test = printed[(printed["split"] == "test") & (printed["table"] != "text")]
    scores_on = grouped(on_test.to_dict("records"), "corpus")
    for claim in claims:
        where = f"{path}, {claim.id}"
        for corpus in claim.corpora:
            check_names(where, "corpus", [corpus], printed["corpus"])
            scores = [row for row in scores_on.get((corpus,), []) if row["system"]]
            _check(claim.decided_by, _Checked(where, corpus, paper, scores))
    return claims


class _Checked(NamedTuple):
    """A claim on a corpus that is checked.

    Attributes:
        where: file and id, for errors.
        corpus, paper: keys.
        scores: printed lines on the test split of the corpus.
    """

    where: str
    corpus: str
    paper: str
    scores: Sequence[Row]

    @property
    def multi_label(self) -> bool:
        """The corpus is multi-label."""
        return self.corpus in MULTI_LABEL

    @property
    def metrics(self) -> list[str]:
        """Overall metrics of the corpus."""
        if not self.multi_label:
            return list(METRICS)
        # A paper may take each label of an utterance for a row of a multi-class task.
        printed = {row["metric"] for row in self.scores}
        return list(
            dict.fromkeys([*BINARY_METRICS, *(name for name in METRICS if name in printed)])
        )

    @property
    def systems(self) -> list[str]:
        """Systems in print, cited ones too."""
        return list(dict.fromkeys(row["system"] for row in self.scores))

    @property
    def own(self) -> list[str]:
        """Systems of the paper, printed or not."""
        return list(dict.fromkeys([*filter(is_key, self.systems), *systems_of(self.paper)]))

    def names(self, what: str, names: Iterable[str], allowed: Iterable[str]) -> None:
        """Refuse unknown names."""
        check_names(self.where, what, names, allowed)

    def refuse(self, message: str) -> EvaluationError:
        """The error of the claim."""
        return EvaluationError(f"{self.where}: {message}")


def _check(rule: Rule, checked: _Checked) -> None:
    """Refuse names that the paper does not have, and comparisons that cannot be."""
    if isinstance(rule, Nothing):
        return
    if isinstance(rule, Order):
        systems = [*rule.better, *rule.than]
        checked.names("system", systems, [*checked.own, *checked.systems, *BASELINES])
        if rule.in_turn and len(rule.better) != len(rule.than):
            raise checked.refuse(
                f"{len(rule.better)} systems cannot be compared with {len(rule.than)} in turn"
            )
    else:
        checked.names("system", [] if rule.systems == "all" else rule.systems, checked.own)
    if isinstance(rule, Order | ClassWeights):
        _check_metrics(rule, checked)
    if isinstance(rule, Order):
        _check_order(rule, checked)
    elif isinstance(rule, OverEpochs) and checked.multi_label:
        raise checked.refuse(f"{checked.corpus} is multi-label: no network is for all classes")
    elif isinstance(rule, Spread):
        checked.names("metric", [rule.metric], checked.metrics)
    elif isinstance(rule, ClassExtreme):
        checked.names("metric", [rule.metric], CLASS_METRICS)
        if rule.lowest == rule.highest:
            raise checked.refuse("name a lowest class, a highest class, or two different ones")
        named = [name for name in (rule.lowest, rule.highest) if name is not None]
        checked.names("class", named, CLASSES[checked.corpus])
    elif isinstance(rule, MostConfused | Confusion):
        checked.names("class", rule.pair, CLASSES[checked.corpus])


def _check_metrics(rule: Order | ClassWeights, checked: _Checked) -> None:
    has_losses = isinstance(rule, Order) and not checked.multi_label
    metrics = [*checked.metrics, *((LOSS,) if has_losses else ())]
    if rule.classes is not None and not checked.multi_label:
        metrics = list(CLASS_METRICS)
    checked.names("metric", rule.metrics, metrics)
    named = rule.classes if isinstance(rule.classes, list) else []
    checked.names("class", named, CLASSES[checked.corpus])


def _check_order(rule: Order, checked: _Checked) -> None:
    own = checked.own
    if LOSS in rule.metrics and (rule.by or not {*rule.better, *rule.than} <= set(own)):
        raise checked.refuse(
            "losses are compared between systems of the paper only, and without points; take by and"
            " other systems out"
        )
    measured = {*own, *BASELINES}
    names = classes_of(rule.classes, checked.corpus)
    for pair, metric, name in product(rule.versus, rule.metrics, names):
        if pair[0] == pair[1]:
            raise checked.refuse(f"{pair[0]} cannot be better than itself")
        for system in pair:
            if system not in measured and beside(checked.scores, system, metric, name) is None:
                of_class = f" ({name})" if name else ""
                raise checked.refuse(
                    f"the paper prints no {metric} of {system}{of_class} on the test split of"
                    f" {checked.corpus}; take it out"
                )


def classes_of(classes: Literal["all"] | list[str] | None, corpus: str) -> list[str]:
    """Class names of a rule; without classes an empty name, the mean over all."""
    if classes is None:
        return [""]
    return list(CLASSES[corpus]) if classes == "all" else list(classes)
