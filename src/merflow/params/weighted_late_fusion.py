"""Models of the blocks of weighted_late_fusion."""

from typing import ClassVar, Literal

from pydantic import Field

from merflow.params.base import Strict
from merflow.params.systems import (
    PAPER_SYSTEMS,
    PROTOCOLS,
    CalibratedFusionParams,
    LinearParams,
    OffTheShelfParams,
    PaperParams,
    PaperRunParams,
    Protocols,
    StageParams,
    TextInputsParams,
    TextNetworkParams,
    TrainingParams,
)


class FineTunedTextParams(Strict):
    """A text system: an encoder that is fine-tuned end to end (section A)."""

    inputs: TextInputsParams = Field(
        description='max_tokens: Results, "Consistent Token Length". Ours: context, which the '
        "paper does not have"
    )
    network: TextNetworkParams = Field(description="ours: pooling and dropout")
    training: TrainingParams = Field(
        description="batch_size, learning_rate and weight_decay: Table 2 (BERT) and Table 4 "
        '(RoBERTa). epochs: section "Methodology used for BERT and RoBERTa". Ours: schedule, '
        "warmup, and clip, which is 1.0 in the Trainer of transformers"
    )


class WeightedLateFusionSystemsParams(Strict):
    """The block ``systems``."""

    text_bert_8: FineTunedTextParams = Field(description="BERT in batches of 8")
    text_bert_16: FineTunedTextParams = Field(description="BERT in batches of 16")
    text_bert_32: FineTunedTextParams = Field(description="BERT in batches of 32")
    text_bert_16_context: FineTunedTextParams = Field(
        description="text_bert_16 with the turns before the text. Ours"
    )
    text_roberta_8: FineTunedTextParams = Field(description="RoBERTa in batches of 8")
    text_roberta_16: FineTunedTextParams = Field(description="RoBERTa in batches of 16")
    text_roberta_32: FineTunedTextParams = Field(description="RoBERTa in batches of 32")
    text_roberta_16_context: FineTunedTextParams = Field(
        description="text_roberta_16 with the turns before the text. Ours"
    )
    text_roberta_16_low_rate: FineTunedTextParams = Field(
        description="text_roberta_16 with a lower learning rate, which the text compares and no "
        "table prints. Ours"
    )
    audio_wav2vec2: OffTheShelfParams = Field(
        description="wav2vec2_emotion as it is (section B). It has one row per utterance, so that "
        "each pooling gives the same"
    )
    audio_wav2vec2_prior: OffTheShelfParams = Field(
        description="audio_wav2vec2 with the class shares of dev. Ours"
    )
    video_clip: OffTheShelfParams = Field(
        description='clip_emotion with the sum over frames (section C: "cumulative")'
    )
    video_clip_max: OffTheShelfParams = Field(description="video_clip with another pooling. Ours")
    video_clip_product: OffTheShelfParams = Field(
        description="video_clip with another pooling. Ours"
    )
    video_clip_vote: OffTheShelfParams = Field(description="video_clip with another pooling. Ours")
    video_clip_confidence: OffTheShelfParams = Field(
        description='video_clip with another pooling (section C: "weighted scores"). Ours'
    )
    video_clip_prior: OffTheShelfParams = Field(
        description="video_clip with the class shares of dev. Ours"
    )
    video_clip_crop: OffTheShelfParams = Field(
        description="video_clip on the centre of each frame, clip_emotion_crop. Ours"
    )
    late_fusion: CalibratedFusionParams = Field(
        description="text_roberta_16, audio_wav2vec2 and video_clip. The paper gives no weights"
    )
    late_fusion_calibrated: CalibratedFusionParams = Field(
        description="late_fusion with calibrated members. Ours"
    )
    linear_text: LinearParams = Field(
        description="linear classifier of roberta_mean, to compare networks with. Ours"
    )
    linear_audio: LinearParams = Field(
        description="linear classifier of the probabilities in wav2vec2_emotion. Ours"
    )
    linear_video: LinearParams = Field(
        description="linear classifier of the probabilities in clip_emotion. Ours"
    )


class WeightedLateFusionParams(PaperParams):
    """The block papers.weighted_late_fusion."""

    SMALL_MB: ClassVar = 1

    protocols: Protocols = Field(
        description=f"{PROTOCOLS}. The paper names no selection of the epoch"
    )
    systems: WeightedLateFusionSystemsParams = Field(description=PAPER_SYSTEMS)


class WeightedLateFusionRunParams(PaperRunParams):
    """The block run.weighted_late_fusion."""

    bert: StageParams[
        Literal["text_bert_8", "text_bert_16", "text_bert_32", "text_bert_16_context"]
    ] = Field(description="text systems that start from BERT")
    roberta: StageParams[
        Literal[
            "text_roberta_8",
            "text_roberta_16",
            "text_roberta_32",
            "text_roberta_16_context",
            "text_roberta_16_low_rate",
        ]
    ] = Field(description="text systems that start from RoBERTa")
    text_vectors: StageParams[Literal["linear_text"]] = Field(description="vectors of a text")
    audio: StageParams[Literal["audio_wav2vec2", "audio_wav2vec2_prior", "linear_audio"]] = Field(
        description="a published classifier of audio"
    )
    video: StageParams[
        Literal[
            "video_clip",
            "video_clip_max",
            "video_clip_product",
            "video_clip_vote",
            "video_clip_confidence",
            "video_clip_prior",
            "linear_video",
        ]
    ] = Field(description="zero-shot classification of frames")
    video_crop: StageParams[Literal["video_clip_crop"]] = Field(
        description="zero-shot classification of the centre of frames"
    )
    fusion: StageParams[Literal["late_fusion", "late_fusion_calibrated"]] = Field(
        description="fusions of text, audio and video"
    )


#: The paper's fields in the blocks ``run`` and ``papers``.
RUN = (
    WeightedLateFusionRunParams,
    Field(
        description="protocols, jobs, and systems by their inputs: each group of systems is a "
        "stage of dvc.yaml. The other papers likewise"
    ),
)
PAPER = (
    WeightedLateFusionParams,
    Field(description="Weighted late fusion of text, audio and video on MELD"),
)
