"""Blocks of class_weight_lstm."""

from typing import Literal

from merflow.params.base import Positive, Share, Strict
from merflow.params.systems import PaperBlock, PaperRun, Rows, Training


class Scaling(Strict):
    """Each feature as it is, or with mean 0 and variance 1 over the words of the train part."""

    scale: Literal["standard", "none"]


class AcousticInputs(Strict):
    """What is fitted to acoustic features."""

    acoustic: Scaling


class VisualInputs(Strict):
    """What is fitted to visual features."""

    visual: Scaling


class EarlyInputs(AcousticInputs, VisualInputs):
    """What is fitted to the features of early fusion."""


class Lstm(Strict):
    """Network of the unimodal systems and of early fusion (Figures 2 and 3)."""

    layers: Positive
    units: Positive
    dense: Positive
    dropout: Share


class LateFusion(Strict):
    """Network of late_fusion (Figure 4)."""

    dense: Positive


class NoSize(Strict):
    """Network of deep_fusion and tensor_fusion, whose one layer has no size to choose: {}."""


class LanguageSystem(Strict):
    """language."""

    network: Lstm
    training: Training


class AcousticSystem(LanguageSystem):
    """acoustic."""

    inputs: AcousticInputs


class VisualSystem(LanguageSystem):
    """visual."""

    inputs: VisualInputs


class EarlySystem(LanguageSystem):
    """early_fusion."""

    inputs: EarlyInputs


class LateSystem(Strict):
    """late_fusion."""

    network: LateFusion
    training: Training


class OneLayerSystem(Strict):
    """deep_fusion and tensor_fusion."""

    network: NoSize
    training: Training


class Systems(Strict):
    """The rows of Tables II and III, and the same without the class weight."""

    acoustic: AcousticSystem
    visual: VisualSystem
    language: LanguageSystem
    early_fusion: EarlySystem
    late_fusion: LateSystem
    deep_fusion: OneLayerSystem
    tensor_fusion: OneLayerSystem
    acoustic_unweighted: AcousticSystem
    visual_unweighted: VisualSystem
    language_unweighted: LanguageSystem
    early_fusion_unweighted: EarlySystem
    late_fusion_unweighted: LateSystem
    deep_fusion_unweighted: OneLayerSystem
    tensor_fusion_unweighted: OneLayerSystem


class Features(Strict):
    """Which feature stands for each modality; all have one row per word."""

    acoustic: Literal["covarep", "egemaps_aligned"]
    visual: Literal["facet", "face_aligned"]
    language: Literal["glove_aligned"]


class Paper(PaperBlock):
    """Block papers.class_weight_lstm."""

    features: Features
    systems: Systems


class Run(PaperRun):
    """Block run.class_weight_lstm: systems by what they take."""

    acoustic: Rows[Literal["acoustic", "acoustic_unweighted"]]
    visual: Rows[Literal["visual", "visual_unweighted"]]
    language: Rows[Literal["language", "language_unweighted"]]
    early: Rows[Literal["early_fusion", "early_fusion_unweighted"]]
    fusion: Rows[Literal["late_fusion", "deep_fusion", "tensor_fusion"]]
    fusion_unweighted: Rows[
        Literal["late_fusion_unweighted", "deep_fusion_unweighted", "tensor_fusion_unweighted"]
    ]
