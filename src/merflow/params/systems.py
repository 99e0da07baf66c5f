"""What the blocks of all papers share: protocols, and per system its ``inputs``, ``network`` and ``training``.

``inputs`` holds what is fitted to an input on the train part (or how a text is cut), ``network`` the keyword arguments of the
system's builder in merflow.papers.<paper>, ``training`` what the one loop reads. A fusion of other systems has none of these.
"""

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import Field, model_validator

from merflow.params.base import (
    CorpusName,
    KnownCorpus,
    Positive,
    PositiveReal,
    ProtocolName,
    Share,
    Strict,
)

SchemeName = Literal[
    "official", "sessions", "session5", "actors", "pooled", "instances", "ten_folds"
]
Weight = Annotated[float, Field(ge=0, le=1)]


class Protocol(Strict):
    """How a score is obtained: a split scheme for each corpus, the epoch that is scored, one run per seed.

    One's own corpora have one scheme each, which follows from their annotations.
    """

    scheme: dict[KnownCorpus, SchemeName]
    select: Literal[
        "last", "dev", "test"
    ]  # test: the epoch that scores best on the very part that is scored; some papers do so
    seeds: Annotated[list[int], Field(min_length=1)]


Protocols = dict[ProtocolName, Protocol]


class Training(Strict):
    """What the loop reads (merflow.training.loop)."""

    batch_size: Positive
    learning_rate: PositiveReal
    weight_decay: Annotated[float, Field(ge=0)]
    epochs: Positive
    # linear: up over `warmup`, a share of the steps, then down to 0; inverse: then learning_rate / (1 + decay x steps)
    schedule: Literal["constant", "linear", "inverse"]
    warmup: Share
    patience: (
        Positive | None
    )  # epochs in a row without a lower dev loss after which training stops; null: never
    class_weights: bool = (
        False  # of multi-label systems: w_i = n / (k n_i) for present and absent, counted on train
    )
    decay: Annotated[float, Field(ge=0)] = 0.0  # of the schedule inverse, and of no other
    l2: bool = False  # weight_decay is an L2 penalty, added to the gradient; false: it is decoupled (AdamW)

    @model_validator(mode="after")
    def _decays(self) -> "Training":
        if (self.schedule == "inverse") != (self.decay > 0):
            raise ValueError("schedule: inverse and a decay above 0 go together")
        return self


class System(Strict):
    """A trained system as the step ``train`` parses it; the paper's own model says what stands in ``inputs`` and ``network``."""

    inputs: dict[str, dict[str, Any]] = Field(default_factory=dict)
    network: dict[str, Any]
    training: Training


class Fusion(Strict):
    """A fusion of systems, as the paper's block and the step ``train`` know it."""

    weights: Literal["dev"] | list[Weight] | None = (
        None  # dev: the best on the dev part, in steps of `step`; null: it takes none
    )
    step: Annotated[float, Field(gt=0, le=0.5)] = 0.1
    calibration: Literal["none", "temperature"] = (
        "none"  # temperature: of each member, the one with the lowest loss on dev
    )


class OffTheShelf(Strict):
    """A published model as it is."""

    pooling: Literal[
        "sum", "max", "product", "vote"
    ]  # probabilities of an utterance from those of its frames; one frame: no matter


class Unweighted(Strict):
    """A fusion without parameters: {}."""


class Weighted(Strict):
    """A fusion with weights: fixed ones, in the order of its members, or the best on dev in steps of `step`."""

    weights: Literal["dev"] | list[Weight]
    step: Annotated[float, Field(gt=0, le=0.5)]


class Calibrated(Weighted):
    """A weighted fusion that may calibrate its members."""

    calibration: Literal["none", "temperature"]


Name = TypeVar("Name", bound=str)


class Rows(Strict, Generic[Name]):
    """Systems that take the same files, and on which corpora: a stage of dvc.yaml. An empty list switches it off."""

    corpora: list[CorpusName]
    systems: list[Name]


class PaperBlock(Strict):
    """What every block papers.<paper> has, besides its systems: its protocols, and whether to store the selected weights of every run."""

    protocols: Protocols
    keep_weights: bool


class PaperRun(Strict):
    """What run.<paper> asks for, besides the stages: protocols, and in how many jobs the runs of a system are trained."""

    protocols: Annotated[list[ProtocolName], Field(min_length=1)]
    jobs: Positive
