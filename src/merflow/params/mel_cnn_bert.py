"""Blocks of mel_cnn_bert."""

from typing import Annotated, Literal

from pydantic import Field

from merflow.params.base import Positive, Share, Strict
from merflow.params.systems import PaperBlock, PaperRun, Rows, Training


class Longest(Strict):
    """Spectrograms longer than this are cut."""

    max_frames: Positive


class SpeechInputs(Strict):
    """How speech is cut."""

    speech: Longest


class Speech(Strict):
    """Network of speech (section 3.1)."""

    maps: Positive
    channels: Annotated[list[Positive], Field(min_length=4, max_length=4)]
    dense: Positive
    dropout: Share


class Text(Strict):
    """Network of text (section 3.2)."""

    text_dim: Positive
    gru: Positive
    dropout: Share


class Bimodal(Speech, Text):
    """Network of fusion and concatenation (section 3.3)."""

    n: Positive


class SpeechSystem(Strict):
    """speech."""

    inputs: SpeechInputs
    network: Speech
    training: Training


class TextSystem(Strict):
    """text."""

    network: Text
    training: Training


class BimodalSystem(Strict):
    """fusion and concatenation."""

    inputs: SpeechInputs
    network: Bimodal
    training: Training


class Systems(Strict):
    """The paper's one row, its two modules alone, and the fusion without attention."""

    speech: SpeechSystem
    text: TextSystem
    fusion: BimodalSystem
    concatenation: BimodalSystem


class Features(Strict):
    """Which feature stands for each modality."""

    speech: Literal["mel"]
    text: Literal["bert_mean", "bert", "roberta_mean", "roberta"]


class Paper(PaperBlock):
    """Block papers.mel_cnn_bert."""

    features: Features
    systems: Systems


class Run(PaperRun):
    """Block run.mel_cnn_bert: systems by what they take."""

    speech: Rows[Literal["speech"]]
    text: Rows[Literal["text"]]
    fusion: Rows[Literal["fusion", "concatenation"]]
