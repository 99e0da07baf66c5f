"""Blocks of weighted_late_fusion."""

from typing import Annotated, Literal

from pydantic import Field

from merflow.params.base import Share, Strict
from merflow.params.systems import Calibrated, OffTheShelf, PaperBlock, PaperRun, Rows, Training


class Tokens(Strict):
    """How a text is cut, and how many turns of the dialogue before it are read with it."""

    max_tokens: Annotated[int, Field(ge=2, le=512)]
    context: Annotated[int, Field(ge=0)]


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


class Systems(Strict):
    """One block per system."""

    text_bert_8: FineTuning
    text_bert_16: FineTuning
    text_bert_32: FineTuning
    text_bert_16_context: FineTuning
    text_roberta_8: FineTuning
    text_roberta_16: FineTuning
    text_roberta_32: FineTuning
    text_roberta_16_context: FineTuning
    audio_wav2vec2: OffTheShelf
    video_clip: OffTheShelf
    video_clip_max: OffTheShelf
    video_clip_product: OffTheShelf
    video_clip_vote: OffTheShelf
    late_fusion: Calibrated
    late_fusion_calibrated: Calibrated


class Paper(PaperBlock):
    """Block papers.weighted_late_fusion."""

    systems: Systems


class Run(PaperRun):
    """Block run.weighted_late_fusion: text systems by the checkpoint that they start from, the others by modality."""

    bert: Rows[Literal["text_bert_8", "text_bert_16", "text_bert_32", "text_bert_16_context"]]
    roberta: Rows[
        Literal["text_roberta_8", "text_roberta_16", "text_roberta_32", "text_roberta_16_context"]
    ]
    audio: Rows[Literal["audio_wav2vec2"]]
    video: Rows[Literal["video_clip", "video_clip_max", "video_clip_product", "video_clip_vote"]]
    fusion: Rows[Literal["late_fusion", "late_fusion_calibrated"]]
