"""Blocks of weighted_late_fusion."""

from typing import Annotated, Literal

from pydantic import Field

from merflow.params.base import Share, Strict
from merflow.params.systems import PaperRun, Protocols, Rows, Training


class Tokens(Strict):
    """How a text is cut."""

    max_tokens: Annotated[int, Field(ge=2, le=512)]


class Inputs(Strict):
    """Inputs of a text system."""

    tokens: Tokens


class Network(Strict):
    """A text encoder fine-tuned end to end (section A)."""

    pooling: Literal["mean", "cls"]
    dropout: Share


class FineTuning(Strict):
    """A text system."""

    inputs: Inputs
    network: Network
    training: Training


class Paper(Strict):
    """Block papers.weighted_late_fusion."""

    protocols: Protocols
    systems: dict[str, FineTuning]
    keep_weights: bool


class Run(PaperRun):
    """Block run.weighted_late_fusion: text systems by the checkpoint that they start from."""

    bert: Rows[str]
    roberta: Rows[str]
