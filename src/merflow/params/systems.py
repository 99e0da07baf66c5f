"""Models that the blocks of all papers share.

They describe protocols, stages, and the parameters of a system.

The block of a trained system has up to three parts. ``inputs`` holds the parameters of transformers
that are fitted on train, or of the cut of a text or clip. ``network`` holds the keyword arguments
of the system's builder in merflow.papers.<paper>. ``training`` holds the parameters of the training
loop.
"""

from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BeforeValidator, Field, model_validator

from merflow.params.base import (
    CorpusName,
    KnownCorpus,
    NonNegative,
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
Weights = Literal["dev"] | list[Weight]
Step = Annotated[float, Field(gt=0, le=0.5)]
Calibration = Literal["none", "temperature"]

INPUTS = "transformers that are fitted to an input on train, or the cut of a text or clip"
NETWORK = "arguments of the system's builder in src/merflow/papers"
TRAINING = "parameters of the training loop"
PAPER_SYSTEMS = "parameters of each system"
PAPER_FEATURES = "feature that stands for each modality"
PROTOCOLS = "ways to obtain a score: as the paper publishes it, and clean"
WEIGHTS = (
    "weights of the members, in their order: a list, or dev, the weights with the best "
    "weighted F1 on dev"
)
LINEAR = "linear classifier of the same features, to compare networks with. Ours"
STEP = "step of the search for weights on dev, at most 0.5"
CALIBRATION = (
    "none, or temperature: each member gets the temperature with the lowest loss on dev. Not in "
    "the paper"
)


class ProtocolParams(Strict):
    """Split schemes, selected epoch and seeds."""

    scheme: dict[KnownCorpus, SchemeName] = Field(
        description="split scheme of each corpus (merflow.corpora.schemes). The scheme of your "
        "own corpus follows from its annotations"
    )
    select: Literal["last", "dev", "test"] = Field(
        description="epoch whose weights are scored. last: the last epoch. dev: the epoch with "
        "the best weighted F1 on dev (multi-label: UAR). test: the epoch with the best score on "
        "test, as some papers do, for as_published only"
    )
    seeds: Annotated[list[int], Field(min_length=1)] = Field(description="one run per seed")


Protocols = dict[ProtocolName, ProtocolParams]


class TrainingParams(Strict):
    """Parameters of the training loop (merflow.training.loop)."""

    batch_size: Positive = Field(description="number of utterances per batch")
    learning_rate: PositiveReal = Field(description="highest learning rate of Adam")
    weight_decay: NonNegative = Field(
        description="weight decay of all weights but biases and norms, see l2"
    )
    epochs: Positive = Field(description="largest number of epochs")
    schedule: Literal["constant", "linear", "inverse"] = Field(
        description="learning rate after the warm-up. constant: as it is. linear: down to 0. "
        "inverse: divided by 1 + decay x steps"
    )
    warmup: Share = Field(
        description="share of the steps over which the learning rate rises, 0 to 1"
    )
    patience: Positive | None = Field(
        description="number of epochs in a row without a lower dev loss after which training "
        "stops. null: never"
    )
    clip: PositiveReal | None = Field(
        default=None,
        description="largest L2 norm of the gradient of all parameters. A longer one is scaled "
        "down to it. null: never",
    )
    class_weights: bool = Field(
        default=False,
        description="multi-label systems: true weights presence and absence of a class by "
        "w_i = n / (k n_i), counted on train",
    )
    decay: NonNegative = Field(
        default=0.0, description="decay per step of the inverse schedule, and of no other"
    )
    l2: bool = Field(
        default=False,
        description="true: weight_decay is an L2 penalty, added to the gradient. false: it is "
        "decoupled (AdamW)",
    )

    @model_validator(mode="after")
    def _decays(self) -> "TrainingParams":
        if (self.schedule == "inverse") != (self.decay > 0):
            raise ValueError("schedule: inverse and a decay above 0 go together")
        return self


class SystemParams(Strict):
    """A trained system, as the step ``train`` parses it; the paper's model is stricter."""

    inputs: dict[str, dict[str, Any]] = Field(default_factory=dict, description=INPUTS)
    network: dict[str, Any] = Field(description=NETWORK)
    training: TrainingParams = Field(description=TRAINING)


class TokensParams(Strict):
    """Cut of a text into tokens."""

    max_tokens: Annotated[int, Field(ge=2, le=512)] = Field(
        description="longest text, 2 to 512 tokens"
    )
    context: Annotated[int, Field(ge=0)] = Field(
        description="number of turns of the dialogue before the text that are read with it"
    )


class TextInputsParams(Strict):
    """Inputs of a system that fine-tunes a text encoder."""

    tokens: TokensParams = Field(description="cut of a text into tokens")


class TextNetworkParams(Strict):
    """A fine-tuned text encoder with a classifier."""

    pooling: Literal["mean", "cls"] = Field(
        description="vector of a text. mean: the mean of the token states. cls: the first state"
    )
    dropout: Share = Field(description="dropout, as a share of the units")


class FusionParams(Strict):
    """A fusion of systems, as the step ``train`` parses it."""

    weights: Weights | None = Field(default=None, description=WEIGHTS)
    step: Step = Field(default=0.1, description=STEP)
    calibration: Calibration = Field(default="none", description=CALIBRATION)


class OffTheShelfParams(Strict):
    """A published model as it is."""

    pooling: Literal["sum", "max", "product", "vote", "confidence"] = Field(
        description="pooling of probabilities over the frames of an utterance: sum, max, product, "
        "vote, or confidence, a sum in which a frame weighs as much as its highest probability"
    )
    prior: Literal["none", "dev"] = Field(
        default="none",
        description="class shares that the model expects. none: its own. dev: the probabilities "
        "are divided by their mean on dev, and multiplied by the class shares of dev",
    )


class LinearParams(Strict):
    """A linear classifier."""

    strengths: Annotated[list[PositiveReal], Field(min_length=1)] = Field(
        description="strengths of the regularisation, of which the one with the best weighted F1 "
        "on dev (multi-label: UAR, for each class) is taken. Without a dev split: by "
        "cross-validation over the dialogues of train. A strength is the weight of half the "
        "squared L2 norm of the coefficients, beside the mean loss"
    )
    class_weights: bool = Field(
        description="true: the loss of each class is weighted by w_i = n / (k n_i), counted on "
        "train"
    )


class UnweightedFusionParams(Strict):
    """A fusion without parameters: {}."""


class WeightedFusionParams(Strict):
    """A fusion with weights."""

    weights: Weights = Field(description=WEIGHTS)
    step: Step = Field(description=STEP)


class CalibratedFusionParams(WeightedFusionParams):
    """A weighted fusion that may calibrate its members."""

    calibration: Calibration = Field(description=CALIBRATION)


Name = TypeVar("Name", bound=str)


class StageParams(Strict, Generic[Name]):
    """Systems that take the same files: a stage of dvc.yaml."""

    corpora: list[CorpusName] = Field(
        description="corpora to run these systems on. An empty list switches the stage off"
    )
    systems: list[Name] = Field(description="systems of the stage to run")


def _keep_weights(value: Any) -> Any:
    """Name the values of `KeepWeights`, in place of one message for each of its types."""
    if value in ("small", "all", "none") or (
        isinstance(value, list) and value and all(isinstance(name, str) for name in value)
    ):
        return value
    raise ValueError("expected small, all, none, or a list of systems")


KeepWeights = Annotated[Literal["small", "all", "none"] | list[str], BeforeValidator(_keep_weights)]


class PaperParams(Strict):
    """Parameters of every paper, besides its systems.

    Attributes:
        SMALL_MB: largest size of the weights of a run of a network on features, at the widths of
            params/paper.yaml.
    """

    SMALL_MB: ClassVar[int] = 15

    protocols: Protocols = Field(description=PROTOCOLS)
    keep_weights: KeepWeights = Field(
        description="systems whose weights are stored beside their predictions. small: those that "
        "fine-tune no published model, at most 15 MB a run. all: a published model adds its 110 to "
        "500 MB to each run. none. Or a list: small, and the systems that it names. A result that "
        "has weights keeps them, and is not trained again"
    )


class PaperRunParams(Strict):
    """Parameters of every block run.<paper>, besides its stages."""

    protocols: Annotated[list[ProtocolName], Field(min_length=1)] = Field(
        description="protocols to run, see papers.<paper>.protocols"
    )
    jobs: Positive = Field(
        description="number of jobs that share the runs of a system (folds x seeds). The results "
        "do not depend on it"
    )
