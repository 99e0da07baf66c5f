"""Blocks of joint_cnn."""

from typing import Annotated, Literal

from pydantic import Field

from merflow.params.base import Positive, PositiveReal, Share, Strict
from merflow.params.systems import PaperBlock, PaperRun, Rows, Training, Unweighted, Weighted

Hidden = Annotated[list[Positive], Field(min_length=2, max_length=2)]


class Selection(Strict):
    """Min-max normalisation, then the `keep` best features (section 3.1).

    ridge: largest L2 norm of the coefficients of a linear classifier that is regularised with `alpha` times their squared L2 norm;
    norm: largest L2 norm of the feature itself.
    """

    method: Literal["ridge", "norm"]
    keep: Positive
    alpha: PositiveReal


class SpeechInputs(Strict):
    """What is fitted to speech features."""

    speech: Selection


class TextExtractor(Strict):
    """Convolutional extractor of text features (section 2.1)."""

    widths: Annotated[list[Positive], Field(min_length=1)]
    maps: Positive
    text_dim: Positive


class TextLstm(TextExtractor):
    """Network of text_lstm (section 2.2)."""

    sequence: Literal["positions", "utterance"]
    lstm: Positive
    hidden: Hidden
    dropout: Share


class SpeechCnn(Strict):
    """Network of speech_cnn (section 3.2)."""

    filters: Positive
    width: Positive
    pool: Positive
    hidden: Hidden


class JointCnn(TextExtractor, SpeechCnn):
    """Network of joint_cnn (section 4.1)."""


class TextSystem(Strict):
    """text_lstm."""

    network: TextLstm
    training: Training


class SpeechSystem(Strict):
    """speech_cnn."""

    inputs: SpeechInputs
    network: SpeechCnn
    training: Training


class JointSystem(Strict):
    """joint_cnn."""

    inputs: SpeechInputs
    network: JointCnn
    training: Training


class Systems(Strict):
    """The rows of Table 2, and the same fusions of the two single-modality systems."""

    speech_cnn: SpeechSystem
    text_lstm: TextSystem
    joint_cnn: JointSystem
    late_average: Unweighted
    late_weighted: Weighted
    late_product: Unweighted
    unimodal_average: Unweighted
    unimodal_weighted: Weighted
    unimodal_product: Unweighted


class Features(Strict):
    """Which feature stands for each modality."""

    text: Literal["fasttext", "glove", "bert", "roberta"]
    speech: Literal["is13", "compare_2016", "egemaps"]


class Paper(PaperBlock):
    """Block papers.joint_cnn."""

    features: Features
    classes: dict[Literal["iemocap"], Literal[6, 4]]
    systems: Systems


class Run(PaperRun):
    """Block run.joint_cnn: systems by what they take."""

    text: Rows[Literal["text_lstm"]]
    speech: Rows[Literal["speech_cnn"]]
    early: Rows[Literal["joint_cnn"]]
    late: Rows[Literal["late_average", "late_weighted", "late_product"]]
    unimodal: Rows[Literal["unimodal_average", "unimodal_weighted", "unimodal_product"]]
