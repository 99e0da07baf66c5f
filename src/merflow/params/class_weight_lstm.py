"""Models of the blocks of class_weight_lstm."""

from typing import ClassVar, Literal

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

TRAINING = "class_weights: section III.C. Ours: all others"
UNWEIGHTED = "without class weights. Ours, to show the effect of the weights"


class ScalingParams(Strict):
    """Scaling of a feature, fitted on train."""

    scale: Literal["standard", "none"] = Field(
        description="standard: mean 0 and variance 1 over the words of train. none: as it is. Ours"
    )


class AcousticInputsParams(Strict):
    """Inputs of the acoustic system."""

    acoustic: ScalingParams = Field(description="scaling of the acoustic feature")


class VisualInputsParams(Strict):
    """Inputs of the visual system."""

    visual: ScalingParams = Field(description="scaling of the visual feature")


class EarlyInputsParams(AcousticInputsParams, VisualInputsParams):
    """Inputs of early fusion."""


class LstmParams(Strict):
    """Network of the unimodal systems and of early fusion (Figures 2 and 3)."""

    layers: Positive = Field(description="number of LSTM layers (Figure 2, section IV)")
    units: Positive = Field(description="units of an LSTM layer. Ours")
    dense: Positive = Field(description="units of the dense layer (Figure 2, section IV)")
    dropout: Share = Field(description="dropout, as a share of the units. Ours")


class LateNetworkParams(Strict):
    """Network of late_fusion (Figure 4)."""

    dense: Positive = Field(description="units of the dense layer (Figure 2, section IV)")


class DeepNetworkParams(Strict):
    """Network of deep_fusion (Figure 5)."""

    dense: Positive = Field(description='units of "the new dense". Ours, as in late_fusion')


class NoNetworkParams(Strict):
    """Network of fusions whose one layer has no size to choose: {}."""


class LanguageSystemParams(Strict):
    """The system language."""

    network: LstmParams = Field(description=NETWORK)
    training: TrainingParams = Field(description=TRAINING)


class AcousticSystemParams(LanguageSystemParams):
    """The system acoustic."""

    inputs: AcousticInputsParams = Field(description=INPUTS)


class VisualSystemParams(LanguageSystemParams):
    """The system visual."""

    inputs: VisualInputsParams = Field(description=INPUTS)


class EarlySystemParams(LanguageSystemParams):
    """The system early_fusion."""

    inputs: EarlyInputsParams = Field(description=INPUTS)


class LateSystemParams(Strict):
    """The system late_fusion."""

    network: LateNetworkParams = Field(description=NETWORK)
    training: TrainingParams = Field(description=TRAINING)


class DeepSystemParams(Strict):
    """The system deep_fusion."""

    network: DeepNetworkParams = Field(description=NETWORK)
    training: TrainingParams = Field(description=TRAINING)


class OneLayerSystemParams(Strict):
    """The systems deep_fusion_one_layer and tensor_fusion."""

    network: NoNetworkParams = Field(description=NETWORK)
    training: TrainingParams = Field(description=TRAINING)


class ClassWeightLstmSystemsParams(Strict):
    """The block ``systems``: the rows of Tables II and III.

    ``*_unweighted`` are the same systems without class weights.
    """

    acoustic: AcousticSystemParams = Field(description="audio alone (Table II)")
    visual: VisualSystemParams = Field(description="video alone (Table II)")
    language: LanguageSystemParams = Field(description="text alone (Table II)")
    early_fusion: EarlySystemParams = Field(description="features side by side (Table III)")
    late_fusion: LateSystemParams = Field(
        description="fusion of the three unimodal systems (Table III, Figure 4)"
    )
    deep_fusion: DeepSystemParams = Field(
        description="fusion of the three unimodal systems (Table III, Figure 5)"
    )
    tensor_fusion: OneLayerSystemParams = Field(
        description="fusion of the three unimodal systems (Table III), one layer without a size"
    )
    deep_fusion_one_layer: OneLayerSystemParams = Field(
        description="deep_fusion whose dense layer is the classifier. Ours"
    )
    acoustic_unweighted: AcousticSystemParams = Field(description=UNWEIGHTED)
    visual_unweighted: VisualSystemParams = Field(description=UNWEIGHTED)
    language_unweighted: LanguageSystemParams = Field(description=UNWEIGHTED)
    early_fusion_unweighted: EarlySystemParams = Field(description=UNWEIGHTED)
    late_fusion_unweighted: LateSystemParams = Field(description=UNWEIGHTED)
    deep_fusion_unweighted: DeepSystemParams = Field(description=UNWEIGHTED)
    tensor_fusion_unweighted: OneLayerSystemParams = Field(description=UNWEIGHTED)
    linear_acoustic: LinearParams = Field(description=LINEAR)
    linear_visual: LinearParams = Field(description=LINEAR)
    linear_language: LinearParams = Field(description=LINEAR)
    linear_early: LinearParams = Field(description=LINEAR)


class ClassWeightLstmFeaturesParams(Strict):
    """The block ``features``."""

    acoustic: Literal["covarep", "egemaps_aligned"] = Field(
        description="acoustic feature with one row per word (section III.B). Made from clips: "
        "egemaps_aligned"
    )
    visual: Literal["facet", "face_aligned"] = Field(
        description="visual feature with one row per word (section III.B). Made from clips: "
        "face_aligned"
    )
    language: Literal["glove_aligned"] = Field(
        description="text feature with one row per word (section III.B)"
    )


class ClassWeightLstmParams(PaperParams):
    """The block papers.class_weight_lstm."""

    SMALL_MB: ClassVar = 5

    features: ClassWeightLstmFeaturesParams = Field(description=PAPER_FEATURES)
    protocols: Protocols = Field(
        description=f"{PROTOCOLS}. The paper's splits (15,290 and 4,832 segments of an older "
        "release) are not published as lists: both protocols take the folds of the corpus' SDK. "
        "The paper does not say which epoch it scores: ours has the best UAR on dev, for each "
        "emotion"
    )
    systems: ClassWeightLstmSystemsParams = Field(description=PAPER_SYSTEMS)


class ClassWeightLstmRunParams(PaperRunParams):
    """The block run.class_weight_lstm."""

    acoustic: StageParams[Literal["acoustic", "acoustic_unweighted", "linear_acoustic"]] = Field(
        description="audio alone"
    )
    visual: StageParams[Literal["visual", "visual_unweighted", "linear_visual"]] = Field(
        description="video alone"
    )
    language: StageParams[Literal["language", "language_unweighted", "linear_language"]] = Field(
        description="text alone"
    )
    early: StageParams[Literal["early_fusion", "early_fusion_unweighted", "linear_early"]] = Field(
        description="fusion of the features"
    )
    fusion: StageParams[
        Literal["late_fusion", "deep_fusion", "tensor_fusion", "deep_fusion_one_layer"]
    ] = Field(description="fusions of the three unimodal systems")
    fusion_unweighted: StageParams[
        Literal["late_fusion_unweighted", "deep_fusion_unweighted", "tensor_fusion_unweighted"]
    ] = Field(description="fusions of the three unimodal systems, without class weights")


#: The paper's fields in the blocks ``run`` and ``papers``.
RUN = (ClassWeightLstmRunParams, Field(description="the paper has CMU-MOSEI alone"))
PAPER = (
    ClassWeightLstmParams,
    Field(description="Emotions of CMU-MOSEI by LSTMs with class weights"),
)
