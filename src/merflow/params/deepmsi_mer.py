"""Models of the blocks of deepmsi_mer."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from merflow.params.base import (
    KnownCorpus,
    NonNegative,
    Positive,
    PositiveReal,
    Share,
    Strict,
)
from merflow.params.systems import (
    INPUTS,
    NETWORK,
    PAPER_SYSTEMS,
    PROTOCOLS,
    LinearParams,
    PaperParams,
    PaperRunParams,
    Protocols,
    StageParams,
    TextInputsParams,
    TextNetworkParams,
    TrainingParams,
)

TRAINING = (
    "from the authors' code: batch_size, learning_rate, weight_decay, l2, epochs and patience, "
    "which counts another score there"
)
CORPORA = (
    "settings of one corpus, in place of those above. From the authors' code, which has others for "
    "MELD than for IEMOCAP"
)
CHANGED = "text_audio_video but for one thing"


class FramesParams(Strict):
    """Frames of a clip as a network takes them."""

    frames: Annotated[int, Field(ge=1, le=15)] = Field(
        description="number of frames, at most 15, evenly spread (section 3.1.3: 15)"
    )
    size: Positive = Field(description="side of a frame, in pixels, to which it is squashed. Ours")


class DenseFramesParams(FramesParams):
    """Frames of a clip, more than 15."""

    frames: Positive = Field(
        description="number of frames, at most media.dense_frames, evenly spread"
    )


class VideoInputsParams(Strict):
    """Inputs of systems with video."""

    frames_15: FramesParams = Field(description="frames of a clip, as the network takes them")


class WaveformParams(Strict):
    """Cut of the audio of a clip."""

    max_seconds: Annotated[int, Field(ge=1, le=300)] = Field(
        description="longest audio, in seconds. What is longer is cut and counted. Ours"
    )


class AudioInputsParams(Strict):
    """Input of the system that fine-tunes wav2vec2."""

    waveform: WaveformParams = Field(description="audio of a clip, as the network takes it")


class DenseInputsParams(Strict):
    """Inputs of systems with more than 15 frames."""

    frames_dense: DenseFramesParams = Field(
        description="frames of a clip, as the network takes them"
    )


class AudioNetworkParams(Strict):
    """A fine-tuned wav2vec2 with a classifier."""

    dropout: Share = Field(description="dropout before the logits, as a share of the units")


class FrozenAudioNetworkParams(Strict):
    """A classifier of sentence vectors."""

    hidden: list[Positive] = Field(
        description="units of each dense layer before the logits. From the authors' code"
    )
    dropout: Share = Field(description="dropout, as a share of the units. From the authors' code")


class FusedNetworkParams(FrozenAudioNetworkParams):
    """Temporal convolution and late fusion of networks with video."""

    channels: Annotated[list[Positive], Field(min_length=1)] = Field(
        description="channels of each block of the temporal convolution (section 3.1.3). From the "
        "authors' code"
    )
    kernel: Positive = Field(
        description="width of the temporal convolution, in frames. From the authors' code"
    )
    projection: Positive = Field(
        description="length of each modality's vector in the late fusion, a linear layer. The "
        "length is from the authors' code"
    )
    alpha_ce: NonNegative = Field(
        description="weight of the cross-entropy (equation 7). From the authors' code"
    )
    beta_cl: NonNegative = Field(
        description="weight of the contrastive loss (equation 7). From the authors' code"
    )
    contrast_tau: PositiveReal = Field(
        description="temperature of the contrastive loss (equation 5). From the authors' code"
    )


class VideoNetworkParams(FusedNetworkParams):
    """Network of systems with video."""

    pretrained: bool = Field(
        description="true: Swin starts from its checkpoint. false: from random weights. Ours"
    )
    compress_after: list[Positive] = Field(
        description="stages of Swin that a compression follows (section 3.1.1). []: none. Ours"
    )
    selection: Literal["threshold", "top_k"] = Field(
        description="tokens that a compression keeps. threshold: tokens with a relevance of gamma "
        "or more (equation 2). top_k: the share keep of the most relevant tokens. Ours"
    )
    gamma: float = Field(
        description="threshold of the relevance, in units of an even share 1/N. Ours"
    )
    keep: Annotated[float, Field(gt=0, le=1)] = Field(
        description="share of the tokens that top_k keeps, 0 to 1. Ours"
    )
    merge: bool = Field(
        description="true: a token that is not kept is merged into the most similar one "
        "(equation 3). false: it is left out"
    )
    alpha: Annotated[float, Field(ge=0, le=1)] = Field(
        description="share of a kept token in a merge, 0 to 1 (equation 3). From the authors' code"
    )
    tau: PositiveReal = Field(
        description="temperature of the relevance, in units of sqrt(d) (equation 2). Ours"
    )
    guide: Literal["learned", "random"] = Field(
        description="map from text and audio to G_cls (section 3.1). learned: by the gradient of "
        "the log scores of kept tokens. random: it keeps its first weights. Ours"
    )
    guide_scale: PositiveReal = Field(
        description="first weight of G_cls in the sum with the mean of the tokens (equation 1). "
        "Ours"
    )


class LayoutParams(Strict):
    """Layout of SwinV2, with the names of transformers' Swinv2Config."""

    patch_size: Positive = Field(description="side of a patch, in pixels")
    embed_dim: Positive = Field(description="width of a token in the first stage")
    depths: Annotated[list[Positive], Field(min_length=1)] = Field(
        description="blocks of each stage"
    )
    num_heads: Annotated[list[Positive], Field(min_length=1)] = Field(
        description="heads of each stage"
    )
    window_size: Positive = Field(description="side of a window, in tokens")
    drop_path_rate: Share = Field(description="share of the last block's paths that are dropped")


class AuthorsNetworkParams(FusedNetworkParams):
    """Network of authors_video."""

    layout: LayoutParams = Field(description="SwinV2, from random weights. From the authors' code")
    shed_in: Positive = Field(
        description="stage of SwinV2, from 1, inside which tokens are shed. From the authors' code"
    )
    grids: list[Positive] = Field(
        description="side of the square grid of kept tokens, after blocks 0, 2, 4 and so on of "
        "this stage. From the authors' code"
    )
    guide_units: Positive = Field(
        description="hidden units of the map from text and audio to G_cls, which is not learned. "
        "From the authors' code"
    )


class TranscriptSystemParams(Strict):
    """The system text."""

    inputs: TextInputsParams = Field(description=f"{INPUTS}. Ours: usual values for BERT")
    network: TextNetworkParams = Field(description=f"{NETWORK}. Ours: usual values for BERT")
    training: TrainingParams = Field(
        description="ours: usual values for BERT. clip: 1.0, as in the Trainer of transformers"
    )


class AudioSystemParams(Strict):
    """The system audio."""

    inputs: AudioInputsParams = Field(description=INPUTS)
    network: AudioNetworkParams = Field(description=f"{NETWORK}. Ours, as of text")
    training: TrainingParams = Field(
        description="ours: usual values for wav2vec2, of which the paper gives none"
    )


class CorpusNetworkParams(Strict):
    """Network of one corpus."""

    dropout: Share = Field(description="dropout, as a share of the units")


class CorpusTrainingParams(Strict):
    """Training of one corpus."""

    learning_rate: PositiveReal = Field(description="highest learning rate of Adam")


class CorpusSystemParams(Strict):
    """Settings of a system on one corpus."""

    network: CorpusNetworkParams = Field(description="in place of the network's")
    training: CorpusTrainingParams = Field(description="in place of the training's")


CorpusSystems = dict[KnownCorpus, CorpusSystemParams]


class FrozenAudioSystemParams(Strict):
    """The system audio_frozen."""

    network: FrozenAudioNetworkParams = Field(description=NETWORK)
    training: TrainingParams = Field(description=TRAINING)
    corpora: CorpusSystems = Field(description=CORPORA)


class VideoSystemParams(Strict):
    """A system with video."""

    inputs: VideoInputsParams = Field(description=INPUTS)
    network: VideoNetworkParams = Field(
        description="Swin and its compressions (section 3.1.1), the temporal convolution "
        "(section 3.1.3), and late fusion (sections 3.2 and 3.3)"
    )
    training: TrainingParams = Field(description=TRAINING)
    corpora: CorpusSystems = Field(description=CORPORA)


class DenseSystemParams(VideoSystemParams):
    """A system with more than 15 frames."""

    inputs: DenseInputsParams = Field(description=INPUTS)  # type: ignore[assignment]


class AuthorsSystemParams(Strict):
    """The system authors_video."""

    inputs: VideoInputsParams = Field(description=INPUTS)
    network: AuthorsNetworkParams = Field(description=NETWORK)
    training: TrainingParams = Field(description=TRAINING)
    corpora: CorpusSystems = Field(description=CORPORA)


class DeepmsiMerSystemsParams(Strict):
    """The block ``systems``: the rows of Table 3, video alone, and changes of all three."""

    text: TranscriptSystemParams = Field(description="BERT, fine-tuned on transcripts (Table 3)")
    audio: AudioSystemParams = Field(description="wav2vec2, fine-tuned on audio (Table 3)")
    video: VideoSystemParams = Field(
        description="video alone, which the paper speaks of and never prints"
    )
    text_video: VideoSystemParams = Field(description="text and video (Table 3)")
    audio_video: VideoSystemParams = Field(description="audio and video (Table 3)")
    text_audio_video: VideoSystemParams = Field(description="all three: DeepMSI-MER (Table 3)")
    audio_frozen: FrozenAudioSystemParams = Field(
        description="classifier of the vector of a wav2vec2 that is not fine-tuned. Ours"
    )
    text_audio_video_frozen: VideoSystemParams = Field(
        description=f"{CHANGED}: wav2vec2 is not fine-tuned. Ours"
    )
    without_vsc: VideoSystemParams = Field(description=f"{CHANGED}: no visual sequence compression")
    without_merge: VideoSystemParams = Field(
        description=f"{CHANGED}: tokens are left out, not merged"
    )
    random_guide: VideoSystemParams = Field(description=f"{CHANGED}: G_cls is not learned")
    top_k: VideoSystemParams = Field(
        description="text_audio_video but for two things: a fixed share of the tokens is kept, "
        "and none merged. So it is without_merge but for the choice of tokens"
    )
    without_contrastive: VideoSystemParams = Field(description=f"{CHANGED}: no contrastive loss")
    frames_5: VideoSystemParams = Field(description=f"{CHANGED}: 5 frames")
    frames_30: DenseSystemParams = Field(description=f"{CHANGED}: 30 frames")
    authors_video: AuthorsSystemParams = Field(
        description="text_audio_video with the video network of the authors' code, which also "
        "merges nothing and has a guide that is not learned"
    )
    linear_text: LinearParams = Field(
        description="linear classifier of bert_mean, to compare networks with. Ours"
    )
    linear_audio: LinearParams = Field(
        description="linear classifier of wav2vec2_mean, to compare networks with. Ours"
    )


class DeepmsiMerFeaturesParams(Strict):
    """The block ``features``."""

    audio: Literal["wav2vec2_mean"] = Field(
        description="vector of the systems in which wav2vec2 is not fine-tuned"
    )


class DeepmsiMerEncodersParams(Strict):
    """The block ``encoders``."""

    text: Literal["bert", "roberta"] = Field(description="checkpoint of systems with text")
    audio: Literal["wav2vec2"] = Field(description="checkpoint of systems with audio")
    video: Literal["swin"] = Field(description="checkpoint of systems with video")


class DeepmsiMerParams(PaperParams):
    """The block papers.deepmsi_mer."""

    SMALL_MB: ClassVar = 3

    features: DeepmsiMerFeaturesParams = Field(description="feature that stands for each modality")
    encoders: DeepmsiMerEncodersParams = Field(description="checkpoints that systems start from")
    protocols: Protocols = Field(
        description=f"{PROTOCOLS}. As published (section 3.3): ten folds over all utterances, and "
        "the best epoch on the held-out fold, of text and audio too, whose vectors the fusions "
        "take. Clean: folds by session, and the official splits"
    )
    systems: DeepmsiMerSystemsParams = Field(description=PAPER_SYSTEMS)


class DeepmsiMerRunParams(PaperRunParams):
    """The block run.deepmsi_mer."""

    text: StageParams[Literal["text"]] = Field(description="text alone")
    audio: StageParams[Literal["audio"]] = Field(description="audio alone")
    video: StageParams[Literal["video"]] = Field(description="video alone")
    text_video: StageParams[Literal["text_video"]] = Field(description="text and video")
    audio_video: StageParams[Literal["audio_video"]] = Field(description="audio and video")
    all: StageParams[Literal["text_audio_video"]] = Field(description="text, audio and video")
    text_vectors: StageParams[Literal["linear_text"]] = Field(
        description="vectors of a text, of a BERT that is not fine-tuned"
    )
    audio_vectors: StageParams[Literal["audio_frozen", "linear_audio"]] = Field(
        description="vectors of audio, of a wav2vec2 that is not fine-tuned"
    )
    all_frozen: StageParams[Literal["text_audio_video_frozen"]] = Field(
        description="text, audio and video, of a wav2vec2 that is not fine-tuned"
    )
    changed: StageParams[
        Literal[
            "without_vsc",
            "without_merge",
            "random_guide",
            "top_k",
            "without_contrastive",
            "frames_5",
            "authors_video",
        ]
    ] = Field(description="variants of text_audio_video")
    dense: StageParams[Literal["frames_30"]] = Field(description="more than 15 frames")


#: The paper's fields in the blocks ``run`` and ``papers``.
RUN = (DeepmsiMerRunParams, Field(description="the paper has IEMOCAP and MELD"))
PAPER = (
    DeepmsiMerParams,
    Field(description="Text, audio and compressed video on IEMOCAP and MELD"),
)
