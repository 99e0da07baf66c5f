"""Blocks of deepmsi_mer."""

from typing import Annotated, Literal

from pydantic import Field

from merflow.params.base import Positive, PositiveReal, Share, Strict
from merflow.params.systems import PaperBlock, PaperRun, Rows, Training

Weight = Annotated[float, Field(ge=0)]


class Tokens(Strict):
    """How a text is cut, and how many turns of the dialogue before it are read with it."""

    max_tokens: Annotated[int, Field(ge=2, le=512)]
    context: Annotated[int, Field(ge=0)]


class Frames(Strict):
    """Pictures of a clip: how many of the 15, evenly spread, and their side in pixels."""

    frames: Annotated[int, Field(ge=1, le=15)]
    size: Positive


class TextInputs(Strict):
    """Inputs of text."""

    tokens: Tokens


class VideoInputs(Strict):
    """Inputs of systems with video."""

    frames_15: Frames


class TextNetwork(Strict):
    """BERT with a classifier."""

    pooling: Literal["cls", "mean"]
    dropout: Share


class AudioNetwork(Strict):
    """A classifier of sentence vectors."""

    hidden: list[Positive]
    dropout: Share


class Network(AudioNetwork):
    """Systems with video: Swin and its compressions (section 3.1.1), the temporal convolution (3.1.3), late fusion (3.2, 3.3)."""

    pretrained: bool
    compress_after: list[Positive]
    selection: Literal["threshold", "top_k"]
    gamma: float
    keep: Annotated[float, Field(gt=0, le=1)]
    merge: bool
    alpha: Annotated[float, Field(ge=0, le=1)]
    tau: PositiveReal
    channels: Annotated[list[Positive], Field(min_length=1)]
    kernel: Positive
    projection: Positive
    alpha_ce: Weight
    beta_cl: Weight
    contrast_tau: PositiveReal


class TextSystem(Strict):
    """text."""

    inputs: TextInputs
    network: TextNetwork
    training: Training


class AudioSystem(Strict):
    """audio."""

    network: AudioNetwork
    training: Training


class VideoSystem(Strict):
    """A system with video."""

    inputs: VideoInputs
    network: Network
    training: Training


class Systems(Strict):
    """The rows of Table 3, video alone, and what is left out or changed of all three."""

    text: TextSystem
    audio: AudioSystem
    video: VideoSystem
    text_video: VideoSystem
    audio_video: VideoSystem
    text_audio_video: VideoSystem
    without_vsc: VideoSystem
    without_merge: VideoSystem
    top_k: VideoSystem
    without_contrastive: VideoSystem


class Features(Strict):
    """Which feature stands for the sentence vector of wav2vec2."""

    audio: Literal["wav2vec2_mean"]


class Encoders(Strict):
    """Checkpoints that systems start from."""

    text: Literal["bert", "roberta"]
    video: Literal["swin"]


class Paper(PaperBlock):
    """Block papers.deepmsi_mer."""

    features: Features
    encoders: Encoders
    systems: Systems


class Run(PaperRun):
    """Block run.deepmsi_mer: systems by what they take; changed: text_audio_video but for one thing."""

    text: Rows[Literal["text"]]
    audio: Rows[Literal["audio"]]
    video: Rows[Literal["video"]]
    text_video: Rows[Literal["text_video"]]
    audio_video: Rows[Literal["audio_video"]]
    all: Rows[Literal["text_audio_video"]]
    changed: Rows[Literal["without_vsc", "without_merge", "top_k", "without_contrastive"]]
