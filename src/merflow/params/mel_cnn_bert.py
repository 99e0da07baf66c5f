"""Models of the blocks of mel_cnn_bert."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from merflow.params.base import Positive, Share, Strict
from merflow.params.systems import (
    INPUTS,
    LINEAR,
    NETWORK,
    PAPER_FEATURES,
    PAPER_SYSTEMS,
    PROTOCOLS,
    LinearParams,
    PaperParams,
    PaperRunParams,
    Protocols,
    StageParams,
    TrainingParams,
)

TRAINING = (
    "batch_size, epochs, Adam, l2, weight_decay and decay: sections 3.2 and 4.2. schedule: our "
    'reading of "decayed at a rate of 0.0001". Systems with text have batches of whole dialogues, '
    "of about batch_size utterances"
)


class SpectrogramParams(Strict):
    """Cut of a spectrogram."""

    max_frames: Positive = Field(
        description="longest spectrogram, in frames of features.mel.hop_length. A frame costs 0.1 "
        "MB of memory in training, padding included: 32 utterances of 11,000 frames, 35 GB. 11000 "
        "takes every segment of CMU-MOSEI whole. The report tells what was cut. Ours"
    )


class SpectrogramInputsParams(Strict):
    """Inputs of a system with speech."""

    speech: SpectrogramParams = Field(description="cut of a spectrogram")


class SpeechModuleParams(Strict):
    """Network of speech (section 3.1)."""

    maps: Positive = Field(description="channels of each parallel convolution (section 3.1)")
    channels: Annotated[list[Positive], Field(min_length=4, max_length=4)] = Field(
        description="channels of the four further convolutions (section 3.1)"
    )
    dense: Positive = Field(description="units of the dense layer. Ours")
    dropout: Share = Field(description="dropout, as a share of the units (section 3.2)")


class TextModuleParams(Strict):
    """Network of text (section 3.2)."""

    text_dim: Positive = Field(description="features of an utterance (section 3.2)")
    gru: Positive = Field(description="units of the GRU in each direction (section 3.2)")
    dropout: Share = Field(description="dropout, as a share of the units (section 3.2)")


class BimodalParams(SpeechModuleParams, TextModuleParams):
    """Network of fusion and concatenation (section 3.3)."""

    n: Positive = Field(description="length of the features that are fused (section 3.3)")


class SpeechModuleSystemParams(Strict):
    """The system speech."""

    inputs: SpectrogramInputsParams = Field(description=INPUTS)
    network: SpeechModuleParams = Field(description=NETWORK)
    training: TrainingParams = Field(description=TRAINING)


class TextModuleSystemParams(Strict):
    """The system text."""

    network: TextModuleParams = Field(description=NETWORK)
    training: TrainingParams = Field(description=TRAINING)


class BimodalSystemParams(Strict):
    """The systems fusion and concatenation."""

    inputs: SpectrogramInputsParams = Field(description=INPUTS)
    network: BimodalParams = Field(description=NETWORK)
    training: TrainingParams = Field(description=TRAINING)


class MelCnnBertSystemsParams(Strict):
    """The block ``systems``."""

    speech: SpeechModuleSystemParams = Field(description="the speech module alone (section 3.1)")
    text: TextModuleSystemParams = Field(description="the text module alone (section 3.2)")
    fusion: BimodalSystemParams = Field(
        description="the paper's system: fusion by attention (section 3.3)"
    )
    concatenation: BimodalSystemParams = Field(description="fusion without attention. Ours")
    fusion_n125: BimodalSystemParams = Field(description="fusion with half of n. Ours")
    fusion_n500: BimodalSystemParams = Field(description="fusion with twice n. Ours")
    linear_speech: LinearParams = Field(description=LINEAR)
    linear_text: LinearParams = Field(description=LINEAR)
    linear_fusion: LinearParams = Field(description=LINEAR)


class MelCnnBertFeaturesParams(Strict):
    """The block ``features``."""

    speech: Literal["mel"] = Field(description="speech feature (section 3.1)")
    text: Literal["bert_mean", "bert", "roberta_mean", "roberta"] = Field(
        description="text feature (section 3.2)"
    )


class MelCnnBertParams(PaperParams):
    """The block papers.mel_cnn_bert."""

    SMALL_MB: ClassVar = 4

    features: MelCnnBertFeaturesParams = Field(description=PAPER_FEATURES)
    protocols: Protocols = Field(
        description=f"{PROTOCOLS}. As published: the paper's own splits (section 4.2, Table 1; "
        "merflow.corpora.splits), which leak by design. Utterances of a MELD dialogue, and rows of "
        "a CMU-MOSEI segment, lie on both sides, and there is no dev split. Clean: the official "
        "splits, all seven emotions of MELD, and CMU-MOSEI multi-label"
    )
    systems: MelCnnBertSystemsParams = Field(description=PAPER_SYSTEMS)


class MelCnnBertRunParams(PaperRunParams):
    """The block run.mel_cnn_bert."""

    speech: StageParams[Literal["speech", "linear_speech"]] = Field(description="speech alone")
    text: StageParams[Literal["text", "linear_text"]] = Field(description="text alone")
    fusion: StageParams[
        Literal["fusion", "concatenation", "fusion_n125", "fusion_n500", "linear_fusion"]
    ] = Field(description="fusions of speech and text")


#: The paper's fields in the blocks ``run`` and ``papers``.
RUN = (MelCnnBertRunParams, Field(description="the paper has MELD and CMU-MOSEI"))
PAPER = (
    MelCnnBertParams,
    Field(description="Mel spectrograms and BERT, fused by attention, on MELD and CMU-MOSEI"),
)
