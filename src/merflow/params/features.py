"""Blocks of ``media`` and ``features``, and what run.features asks for: one model per kind of extractor."""

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import Field, model_validator

from merflow.params.base import CorpusName, Positive, Strict


class Media(Strict):
    """How pictures are kept (merflow.media): JPEG at a quality, shrunk to a short side of so many pixels."""

    short_side: Annotated[int, Field(ge=32)]
    jpeg_quality: Annotated[int, Field(ge=1, le=100)]


class EncoderFeatures(Strict):
    """Parameters of merflow.features.text.encoder: states of all tokens, or one vector per text."""

    max_tokens: Annotated[int, Field(ge=2, le=512)]
    output: Literal["tokens", "mean", "cls"]


class WordVectorFeatures(Strict):
    """Parameters of merflow.features.text.word_vectors."""

    dim: Positive
    lowercase: bool


class SmileFeatures(Strict):
    """Parameters of merflow.features.audio.smile: a feature set of openSMILE at one of its levels."""

    feature_set: Literal["IS13_ComParE", "ComParE_2016", "eGeMAPSv02"]
    level: Literal["functionals", "lld"]


class SmileAlignedFeatures(SmileFeatures):
    """Parameters of merflow.features.audio.smile_aligned: low-level descriptors averaged over the span of each word."""

    level: Literal["lld"]


class MelFeatures(Strict):
    """Parameters of merflow.features.audio.mel; lengths in samples at 16 kHz, frequencies in Hz."""

    n_fft: Positive
    win_length: Positive
    hop_length: Positive
    n_mels: Positive
    fmin: Annotated[float, Field(ge=0)]
    fmax: Annotated[float, Field(gt=0, le=8000)]
    decibels: bool


class Wav2vec2Features(Strict):
    """Parameters of merflow.features.audio.wav2vec2: states of all frames, their mean, or probabilities of the classification head."""

    output: Literal["frames", "mean", "probabilities"]


class ClipFeatures(Strict):
    """Parameters of merflow.features.vision.clip: image embeddings, or probabilities of the prompts (emotion -> prompt)."""

    output: Literal["embeddings", "probabilities"]
    prompts: dict[str, str] | None = None

    @model_validator(mode="after")
    def _prompted(self) -> "ClipFeatures":
        if (self.output == "probabilities") != bool(self.prompts):
            raise ValueError("prompts go with output: probabilities, and only with it")
        return self


class SwinFeatures(Strict):
    """Parameters of merflow.features.vision.swin."""

    batch_size: Positive


class FaceFeatures(Strict):
    """Parameters of merflow.features.vision.face: OpenCV's cascades; sizes as a share of the picture's short side."""

    min_size: Annotated[float, Field(gt=0, lt=1)]
    scale_factor: Annotated[float, Field(gt=1, le=2)]
    min_neighbors: Positive


class AlignedFeatures(Strict):
    """Parameters of merflow.features.aligned: a computational sequence (.csd) averaged over the span of each word."""

    file: Annotated[str, Field(pattern=r"^\w+\.csd$")]
    dim: Positive


class Features(Strict):
    """One block per feature."""

    bert: EncoderFeatures
    bert_mean: EncoderFeatures
    roberta: EncoderFeatures
    roberta_mean: EncoderFeatures
    glove: WordVectorFeatures
    fasttext: WordVectorFeatures
    is13: SmileFeatures
    compare_2016: SmileFeatures
    egemaps: SmileFeatures
    egemaps_lld: SmileFeatures
    mel: MelFeatures
    wav2vec2: Wav2vec2Features
    wav2vec2_mean: Wav2vec2Features
    wav2vec2_emotion: Wav2vec2Features
    clip: ClipFeatures
    clip_emotion: ClipFeatures
    swin: SwinFeatures
    face: FaceFeatures
    covarep: AlignedFeatures
    facet: AlignedFeatures
    glove_aligned: AlignedFeatures
    egemaps_aligned: SmileAlignedFeatures
    face_aligned: FaceFeatures


Name = TypeVar("Name", bound=str)


class Group(Strict, Generic[Name]):
    """Features that are made from the same files, and of which corpora; an empty list switches it off."""

    corpora: list[CorpusName]
    features: list[Name]


class WordGroup(Strict, Generic[Name]):
    """Features averaged over words, of corpora that say when each word is spoken."""

    corpora: list[Literal["mosei"]]
    features: list[Name]


class FeatureGroups(Strict):
    """Features by what they are made from: a group is a stage of dvc.yaml."""

    bert: Group[Literal["bert", "bert_mean"]]
    roberta: Group[Literal["roberta", "roberta_mean"]]
    glove: Group[Literal["glove"]]
    fasttext: Group[Literal["fasttext"]]
    audio: Group[Literal["is13", "compare_2016", "egemaps", "egemaps_lld", "mel"]]
    wav2vec2: Group[Literal["wav2vec2", "wav2vec2_mean"]]
    wav2vec2_emotion: Group[Literal["wav2vec2_emotion"]]
    clip: Group[Literal["clip", "clip_emotion"]]
    swin: Group[Literal["swin"]]
    face: Group[Literal["face"]]
    sequences: WordGroup[Literal["covarep", "facet", "glove_aligned"]]
    aligned: WordGroup[Literal["egemaps_aligned", "face_aligned"]]
