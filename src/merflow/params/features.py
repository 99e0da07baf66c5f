"""Models of ``media`` and ``features``, one per kind of extractor, and of ``run.features``."""

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import Field, model_validator

from merflow.params.base import CorpusName, Positive, Strict


class MediaParams(Strict):
    """Parameters of merflow.media."""

    short_side: Annotated[int, Field(ge=32)] = Field(
        description="short side of a stored frame, in pixels, at least 32"
    )
    jpeg_quality: Annotated[int, Field(ge=1, le=100)] = Field(
        description="JPEG quality of a stored frame, 1 to 100"
    )
    dense_frames: Annotated[int, Field(ge=0)] = Field(
        default=0,
        description="number of frames of a clip, evenly spread, in the folder frames_dense, beside "
        "the 15 and every 10th. Systems with more than 15 frames take them. 0: none",
    )


class EncoderParams(Strict):
    """Parameters of merflow.features.text.encoder."""

    max_tokens: Annotated[int, Field(ge=2, le=512)] = Field(
        description="longest text, 2 to 512 tokens. Longer texts are cut and counted"
    )
    output: Literal["tokens", "mean", "cls"] = Field(
        description="tokens: the states of all tokens (n_tokens x dim). mean: their mean. "
        "cls: the first state"
    )


class WordVectorParams(Strict):
    """Parameters of merflow.features.text.word_vectors."""

    dim: Positive = Field(description="length of a vector, the same as in the checkpoint")
    lowercase: bool = Field(description="true: texts are put in lower case first")


class SmileParams(Strict):
    """Parameters of merflow.features.audio.smile."""

    feature_set: Literal["IS13_ComParE", "ComParE_2016", "eGeMAPSv02"] = Field(
        description="openSMILE's name of the feature set"
    )
    level: Literal["functionals", "lld"] = Field(
        description="functionals: one vector per utterance. lld: low-level descriptors, one row "
        "per 10 ms"
    )


class SmileAlignedParams(SmileParams):
    """Parameters of merflow.features.audio.smile_aligned."""

    level: Literal["lld"] = Field(
        description="lld: low-level descriptors, averaged over the span of each word"
    )


class MelParams(Strict):
    """Parameters of merflow.features.audio.mel."""

    n_fft: Positive = Field(description="length of the Fourier transform, in samples at 16 kHz")
    win_length: Positive = Field(description="length of the window, in samples at 16 kHz")
    hop_length: Positive = Field(description="hop between frames, in samples at 16 kHz")
    n_mels: Positive = Field(description="number of Mel bands")
    fmin: Annotated[float, Field(ge=0)] = Field(description="lowest frequency, in Hz")
    fmax: Annotated[float, Field(gt=0, le=8000)] = Field(
        description="highest frequency, in Hz, at most 8000"
    )
    decibels: bool = Field(
        description="true: 10 log10 of the power, relative to full scale. false: power"
    )


class Wav2vec2Params(Strict):
    """Parameters of merflow.features.audio.wav2vec2."""

    output: Literal["frames", "mean", "probabilities"] = Field(
        description="frames: one row per 20 ms. mean: the mean of the rows. probabilities: class "
        "probabilities of the classification head"
    )


FrameFit = Literal["squash", "crop"]
FRAME = (
    "a frame as the square that the model takes. squash: the whole frame, its proportions changed. "
    "crop: its centre, as wide as it is high"
)


class ClipParams(Strict):
    """Parameters of merflow.features.vision.clip."""

    output: Literal["embeddings", "probabilities"] = Field(
        description="embeddings: one image embedding per frame. probabilities: one per prompt"
    )
    frame: FrameFit = Field(default="squash", description=FRAME)
    prompts: dict[str, str] | None = Field(
        default=None, description="emotion -> prompt, with output: probabilities only"
    )

    @model_validator(mode="after")
    def _prompted(self) -> "ClipParams":
        if (self.output == "probabilities") != bool(self.prompts):
            raise ValueError("prompts go with output: probabilities, and only with it")
        return self


class SwinParams(Strict):
    """Parameters of merflow.features.vision.swin."""

    batch_size: Positive = Field(description="number of frames that are computed together")
    frame: FrameFit = Field(default="squash", description=FRAME)


class FaceParams(Strict):
    """Parameters of merflow.features.vision.face and face_aligned."""

    min_size: Annotated[float, Field(gt=0, lt=1)] = Field(
        description="smallest face, as a share of the frame's short side"
    )
    scale_factor: Annotated[float, Field(gt=1, le=2)] = Field(
        description="ratio of two neighbouring scales of the search, 1 to 2, as in OpenCV"
    )
    min_neighbors: Positive = Field(
        description="number of neighbouring detections that make a face, as in OpenCV"
    )


class AlignedParams(Strict):
    """Parameters of merflow.features.aligned."""

    file: Annotated[str, Field(pattern=r"^\w+\.csd$")] = Field(
        description="name of the corpus' computational sequence"
    )
    dim: Positive = Field(description="number of columns of the sequence")


class FeaturesParams(Strict):
    """The block ``features``."""

    bert: EncoderParams = Field(
        description="Frozen BERT, the states of all tokens. No system takes it by default: it is "
        "a choice of papers.mel_cnn_bert.features.text"
    )
    bert_mean: EncoderParams = Field(
        description="Frozen BERT, one vector per text: the mean of the states"
    )
    roberta: EncoderParams = Field(description="Frozen RoBERTa, the states of all tokens")
    roberta_mean: EncoderParams = Field(
        description="Frozen RoBERTa, one vector per text: the mean of the states"
    )
    glove: WordVectorParams = Field(
        description="GloVe, one vector per word (class_weight_lstm section 3: 300 dimensions)"
    )
    fasttext: WordVectorParams = Field(
        description="FastText, one vector per word (joint_cnn section 2.1: 300 dimensions)"
    )
    is13: SmileParams = Field(
        description="INTERSPEECH 2013 ComParE feature set by openSMILE (joint_cnn section 3.1)"
    )
    compare_2016: SmileParams = Field(description="ComParE 2016 feature set by openSMILE")
    egemaps: SmileParams = Field(description="eGeMAPS feature set by openSMILE, functionals")
    egemaps_lld: SmileParams = Field(
        description="eGeMAPS feature set by openSMILE, low-level descriptors"
    )
    mel: MelParams = Field(
        description="Mel spectrogram. mel_cnn_bert section 3.1 names librosa and gives no "
        "numbers: ours are the usual ones of speech"
    )
    wav2vec2: Wav2vec2Params = Field(description="Frozen wav2vec 2.0, one vector per frame")
    wav2vec2_mean: Wav2vec2Params = Field(
        description="Frozen wav2vec 2.0, one vector per utterance"
    )
    wav2vec2_emotion: Wav2vec2Params = Field(
        description="Published wav2vec 2.0 that classifies emotions (weighted_late_fusion "
        "section B)"
    )
    clip: ClipParams = Field(
        description="CLIP on every 10th frame (weighted_late_fusion section C)"
    )
    clip_emotion: ClipParams = Field(
        description="Zero-shot CLIP on every 10th frame (weighted_late_fusion section C). The "
        "paper prints no prompts: ours"
    )
    clip_emotion_crop: ClipParams = Field(
        description="clip_emotion of the centre of each frame, as CLIP's own image processor cuts "
        "it. Ours"
    )
    swin: SwinParams = Field(
        description="Swin on 15 frames, evenly spread over the clip (deepmsi_mer section 3.1)"
    )
    face: FaceParams = Field(
        description="Face geometry and appearance by OpenCV's cascades: the open stand-in for "
        "Facet (class_weight_lstm section 3)"
    )
    covarep: AlignedParams = Field(
        description="CMU-MOSEI's own COVAREP features, averaged over the span of each word "
        "(class_weight_lstm section 3)"
    )
    facet: AlignedParams = Field(
        description="CMU-MOSEI's own Facet features, averaged over the span of each word "
        "(class_weight_lstm section 3)"
    )
    glove_aligned: AlignedParams = Field(
        description="CMU-MOSEI's own GloVe vector of each word (class_weight_lstm section 3)"
    )
    egemaps_aligned: SmileAlignedParams = Field(
        description="egemaps_lld, averaged over the span of each word: the open stand-in for "
        "covarep, made from clips"
    )
    face_aligned: FaceParams = Field(
        description="face, averaged over the span of each word: the open stand-in for facet, made "
        "from clips"
    )


Name = TypeVar("Name", bound=str)
GROUP_FEATURES = "features of the group to extract"


class FeatureGroupParams(Strict, Generic[Name]):
    """Features that are made from the same files: a stage of dvc.yaml."""

    corpora: list[CorpusName] = Field(
        description="corpora to extract these features of. An empty list switches the group off"
    )
    features: list[Name] = Field(description=GROUP_FEATURES)


class WordFeatureGroupParams(Strict, Generic[Name]):
    """Features averaged over words, of corpora that say when each word is spoken."""

    corpora: list[Literal["mosei"]] = Field(
        description="corpora to extract these features of. Only corpora with word times"
    )
    features: list[Name] = Field(description=GROUP_FEATURES)


class FeatureGroupsParams(Strict):
    """The block ``run.features``."""

    bert: FeatureGroupParams[Literal["bert", "bert_mean"]] = Field(
        description="from text, by the checkpoint bert"
    )
    roberta: FeatureGroupParams[Literal["roberta", "roberta_mean"]] = Field(
        description="from text, by the checkpoint roberta"
    )
    glove: FeatureGroupParams[Literal["glove"]] = Field(
        description="from text, by the checkpoint glove"
    )
    fasttext: FeatureGroupParams[Literal["fasttext"]] = Field(
        description="from text, by the checkpoint fasttext"
    )
    audio: FeatureGroupParams[Literal["is13", "compare_2016", "egemaps", "egemaps_lld", "mel"]] = (
        Field(description="from audio, without a checkpoint")
    )
    wav2vec2: FeatureGroupParams[Literal["wav2vec2", "wav2vec2_mean"]] = Field(
        description="from audio, by the checkpoint wav2vec2"
    )
    wav2vec2_emotion: FeatureGroupParams[Literal["wav2vec2_emotion"]] = Field(
        description="from audio, by the checkpoint wav2vec2_emotion"
    )
    clip: FeatureGroupParams[Literal["clip", "clip_emotion", "clip_emotion_crop"]] = Field(
        description="from every 10th frame, by the checkpoint clip"
    )
    swin: FeatureGroupParams[Literal["swin"]] = Field(
        description="from 15 frames, by the checkpoint swin"
    )
    face: FeatureGroupParams[Literal["face"]] = Field(
        description="from every 10th frame, without a checkpoint"
    )
    sequences: WordFeatureGroupParams[Literal["covarep", "facet", "glove_aligned"]] = Field(
        description="from computational sequences that the corpus publishes (.csd)"
    )
    aligned: WordFeatureGroupParams[Literal["egemaps_aligned", "face_aligned"]] = Field(
        description="of the same shape as sequences, made from clips"
    )
