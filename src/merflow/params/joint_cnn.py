"""Models of the blocks of joint_cnn."""

from typing import Annotated, Literal

from pydantic import Field

from merflow.params.base import Positive, PositiveReal, Share, Strict
from merflow.params.systems import (
    INPUTS,
    LINEAR,
    NETWORK,
    PAPER_SYSTEMS,
    PROTOCOLS,
    LinearParams,
    PaperParams,
    PaperRunParams,
    Protocols,
    StageParams,
    TrainingParams,
    UnweightedFusionParams,
    WeightedFusionParams,
)

Hidden = Annotated[list[Positive], Field(min_length=2, max_length=2)]
HIDDEN = "units of the two dense layers before the logits (N_2, N_3; N_c2, N_c3)"
TRAINING = (
    "Adam at 1e-3, epochs and patience: section 5.2. Ours: batch_size, which is Keras' default"
)


class SelectionParams(Strict):
    """Min-max normalisation and selection of features, fitted on train (section 3.1)."""

    method: Literal["ridge", "norm"] = Field(
        description="score of a feature. ridge: L2 norm of the coefficients of a linear "
        "classifier. norm: L2 norm of the feature. Ours"
    )
    keep: Positive = Field(
        description="number of features with the highest scores to keep (section 3.1, D_S)"
    )
    alpha: PositiveReal | Literal["cv"] = Field(
        description="weight of the squared L2 norm of the coefficients, for ridge. cv: the power "
        "of ten from 1 to 1e7 whose features classify best in five folds of train. Ours"
    )


class SelectedSpeechParams(Strict):
    """Inputs of a system with speech."""

    speech: SelectionParams = Field(
        description="min-max normalisation, then a selection (section 3.1)"
    )


class TextExtractorParams(Strict):
    """Convolutional extractor of text features (section 2.1)."""

    widths: Annotated[list[Positive], Field(min_length=1)] = Field(
        description="widths of the filters over words, in words (f_1, f_2, f_3)"
    )
    maps: Positive = Field(description="feature maps of each width (f_out)")
    text_dim: Positive = Field(description="text features (D_T)")


class LstmParams(Strict):
    """LSTM and dense layers (section 2.2); the network of speech_lstm."""

    lstm: Positive = Field(description="units of the LSTM (N_1)")
    hidden: Hidden = Field(description=HIDDEN)
    dropout: Share = Field(description="dropout after the LSTM, as a share (section 5.2)")


class TextLstmParams(TextExtractorParams, LstmParams):
    """Network of text_lstm (section 2.2)."""

    sequence: Literal["positions", "utterance"] = Field(
        description="steps of the LSTM. positions: the positions of the text. utterance: one step. "
        "Ours"
    )


class SpeechCnnParams(Strict):
    """Network of speech_cnn (section 3.2)."""

    filters: Positive = Field(description="filters of each convolution (N_f)")
    width: Positive = Field(description="width of a filter, in features (N_w)")
    pool: Positive = Field(description="width of the max-pooling. Not in the paper: Keras' default")
    hidden: Hidden = Field(description=HIDDEN)


class JointNetworkParams(TextExtractorParams, SpeechCnnParams):
    """Network of joint_cnn (section 4.1)."""


class TextLstmSystemParams(Strict):
    """The system text_lstm."""

    network: TextLstmParams = Field(description=f"{NETWORK}: Table 1")
    training: TrainingParams = Field(description=TRAINING)


class SpeechCnnSystemParams(Strict):
    """The system speech_cnn."""

    inputs: SelectedSpeechParams = Field(description=INPUTS)
    network: SpeechCnnParams = Field(description=f"{NETWORK}: Table 1")
    training: TrainingParams = Field(description=TRAINING)


class SpeechLstmSystemParams(Strict):
    """The system speech_lstm."""

    inputs: SelectedSpeechParams = Field(description=INPUTS)
    network: LstmParams = Field(description=f"{NETWORK}: Table 1, of the text network")
    training: TrainingParams = Field(description=TRAINING)


class JointSystemParams(Strict):
    """The system joint_cnn."""

    inputs: SelectedSpeechParams = Field(description=INPUTS)
    network: JointNetworkParams = Field(description=f"{NETWORK}: Table 1")
    training: TrainingParams = Field(description=TRAINING)


UNPRINTED = "text_lstm and speech_cnn, which the paper speaks of and never prints"
UNPRINTED_LSTM = "text_lstm and speech_lstm, which the paper speaks of and never prints"


class JointCnnSystemsParams(Strict):
    """The block ``systems``."""

    speech_cnn: SpeechCnnSystemParams = Field(description="speech alone (section 3.2)")
    speech_cnn_alpha_1: SpeechCnnSystemParams = Field(
        description="selection by a weak ridge, which interpolates train. Ours, to show the effect"
    )
    speech_lstm: SpeechLstmSystemParams = Field(
        description="the LSTM of section 2.2 on speech, in one step (section 3.2)"
    )
    text_lstm: TextLstmSystemParams = Field(description="text alone (section 2.2)")
    text_lstm_utterance: TextLstmSystemParams = Field(
        description="text alone, read as one step per utterance (section 2.2)"
    )
    joint_cnn: JointSystemParams = Field(description="early fusion (section 4.1)")
    late_average: UnweightedFusionParams = Field(
        description="text_lstm and joint_cnn (section 4.2, equation 2)"
    )
    late_weighted: WeightedFusionParams = Field(
        description="text_lstm and joint_cnn (section 4.2, equation 3)"
    )
    late_weighted_printed: WeightedFusionParams = Field(
        description="text_lstm and joint_cnn with the printed weights (Table 1)"
    )
    late_product: UnweightedFusionParams = Field(
        description="text_lstm and joint_cnn (section 4.2, equation 4)"
    )
    unimodal_average: UnweightedFusionParams = Field(description=UNPRINTED)
    unimodal_weighted: WeightedFusionParams = Field(description=UNPRINTED)
    unimodal_product: UnweightedFusionParams = Field(description=UNPRINTED)
    unimodal_average_lstm: UnweightedFusionParams = Field(description=UNPRINTED_LSTM)
    unimodal_weighted_lstm: WeightedFusionParams = Field(description=UNPRINTED_LSTM)
    unimodal_product_lstm: UnweightedFusionParams = Field(description=UNPRINTED_LSTM)
    linear_speech: LinearParams = Field(description=LINEAR)
    linear_text: LinearParams = Field(description=LINEAR)
    linear_joint: LinearParams = Field(description=LINEAR)


class JointCnnFeaturesParams(Strict):
    """The block ``features``."""

    text: Literal["fasttext", "glove", "bert", "roberta"] = Field(
        description="text feature (section 2.1)"
    )
    speech: Literal["is13", "compare_2016", "egemaps"] = Field(
        description="speech feature (section 3.1)"
    )


class JointCnnParams(PaperParams):
    """The block papers.joint_cnn."""

    features: JointCnnFeaturesParams = Field(description="feature that stands for each modality")
    classes: dict[Literal["iemocap"], Literal[6, 4]] = Field(
        description="number of classes, 6 or 4. 4: excitement counts as happiness, and frustration "
        "is out of scope"
    )
    protocols: Protocols = Field(description=f"{PROTOCOLS}. As published: section 5.2")
    systems: JointCnnSystemsParams = Field(description=PAPER_SYSTEMS)


class JointCnnRunParams(PaperRunParams):
    """The block run.joint_cnn."""

    text: StageParams[Literal["text_lstm", "text_lstm_utterance", "linear_text"]] = Field(
        description="systems of text. MELD, which anyone can get, is not the paper's"
    )
    speech: StageParams[
        Literal["speech_cnn", "speech_cnn_alpha_1", "speech_lstm", "linear_speech"]
    ] = Field(description="systems of speech. RAVDESS, which anyone can get, is not the paper's")
    early: StageParams[Literal["joint_cnn", "linear_joint"]] = Field(description="early fusion")
    late: StageParams[
        Literal["late_average", "late_weighted", "late_weighted_printed", "late_product"]
    ] = Field(description="late fusions of text_lstm and joint_cnn")
    unimodal: StageParams[Literal["unimodal_average", "unimodal_weighted", "unimodal_product"]] = (
        Field(description="late fusions of text_lstm and speech_cnn")
    )
    unimodal_lstm: StageParams[
        Literal["unimodal_average_lstm", "unimodal_weighted_lstm", "unimodal_product_lstm"]
    ] = Field(description="late fusions of text_lstm and speech_lstm")


#: The paper's fields in the blocks ``run`` and ``papers``.
RUN = (
    JointCnnRunParams,
    Field(
        description="the paper has IEMOCAP alone. Its text system runs on MELD too, and its speech "
        "system on RAVDESS: anyone can get these corpora"
    ),
)
PAPER = (JointCnnParams, Field(description="Fusion of speech and transcripts on IEMOCAP"))
