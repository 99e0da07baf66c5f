"""params.yaml: its typed model and its one-line errors. merflow.presets composes the file.

The model is the only place that says which keys exist and what they may be. Steps parse the slice they are
handed with the same classes, so a value is checked the same way before the first job and inside it.
"""

import json
import re
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from merflow.errors import ParamsError

Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[int, Field(ge=1)]
PositiveReal = Annotated[float, Field(gt=0)]
Seeds = Annotated[list[int], Field(min_length=1)]
Unique = Field(min_length=1)

CorpusName = Literal["meld", "iemocap", "mosei", "ravdess"]
ProtocolName = Literal["as_published", "clean"]


class Strict(BaseModel):
    """No unknown keys, no silent conversion of types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Checkpoint(Strict):
    """A pre-trained model or word-vector file: exactly one of the places below."""

    hub: str | None = None  # repository of the Hugging Face Hub, at the commit `revision`
    revision: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}$")
    url: str | None = None  # a file, or a zip archive with one file
    package: str | None = None  # a Python package that carries the files
    folder: str | None = None
    demo: Literal["roberta", "wav2vec2", "wav2vec2_emotion", "clip", "swin", "glove", "fasttext"] | None = None  # made here

    @model_validator(mode="after")
    def _one(self) -> "Checkpoint":
        if sum(place is not None for place in (self.hub, self.url, self.package, self.folder, self.demo)) != 1:
            raise ValueError("name exactly one of hub, url, package, folder, demo")
        if (self.hub is None) != (self.revision is None):
            raise ValueError("hub and revision (a full commit) go together")
        return self

    @property
    def name(self) -> str:
        """How tables and metadata call it."""
        if self.hub and self.revision:
            return f"{self.hub}@{self.revision[:7]}"
        return f"demo {self.demo}" if self.demo else str(self.url or self.package or self.folder)


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


class CorpusParams(Strict):
    """demo, official, or the path of a folder."""

    source: Annotated[str, Field(min_length=1)]


class FineTuning(Strict):
    """A text encoder fine-tuned end to end (weighted_late_fusion, section A)."""

    batch_size: Positive
    learning_rate: PositiveReal
    weight_decay: Annotated[float, Field(ge=0)]
    epochs: Positive
    max_tokens: Annotated[int, Field(ge=2, le=512)]
    pooling: Literal["mean", "cls"]
    dropout: Share
    warmup: Share


class Protocol(Strict):
    """How a score is obtained: a split scheme of the corpus, the epoch that is scored, one run per seed."""

    scheme: Literal["official", "sessions", "actors"]
    select: Literal["last", "dev"]
    seeds: Seeds


class TextSystems(Strict):
    """The stages of weighted_late_fusion: corpora x protocols x text systems, by the checkpoint they start from."""

    corpora: list[CorpusName]
    protocols: Annotated[list[ProtocolName], Unique]
    bert: list[str]
    roberta: list[str]


Name = TypeVar("Name", bound=str)


class Group(Strict, Generic[Name]):
    """Features that are made from the same files, and of which corpora; an empty list switches it off."""

    corpora: list[CorpusName]
    features: list[Name]


class Sequences(Strict):
    """Features that a corpus publishes as computational sequences."""

    corpora: list[Literal["mosei"]]
    features: list[Literal["covarep", "facet", "glove_aligned"]]


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
    sequences: Sequences


class Run(Strict):
    """What is rebuilt."""

    corpora: Annotated[list[CorpusName], Unique]
    shards: dict[CorpusName, Positive]
    checkpoints: list[str]
    features: FeatureGroups
    weighted_late_fusion: TextSystems


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


class WeightedLateFusion(Strict):
    """Block of papers.weighted_late_fusion."""

    protocols: dict[ProtocolName, Protocol]
    systems: dict[str, FineTuning]
    keep_weights: bool


class Papers(Strict):
    """One block per paper."""

    weighted_late_fusion: WeightedLateFusion


class Training(Strict):
    """What all training shares."""

    precision: Literal["fp32", "bf16"]


class Evaluation(Strict):
    """Bootstrap intervals."""

    resamples: Annotated[int, Field(ge=100)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    seed: int


class Params(Strict):
    """The whole of params.yaml."""

    run: Run
    corpora: dict[CorpusName, CorpusParams]
    checkpoints: dict[str, Checkpoint]
    media: Media
    features: Features
    training: Training
    papers: Papers
    evaluation: Evaluation

    @model_validator(mode="after")
    def _known(self) -> "Params":
        for corpus in self.run.corpora:
            if corpus not in self.corpora:
                raise ValueError(f"run.corpora: {corpus} has no block under corpora")
            if corpus not in self.run.shards:
                raise ValueError(f"run.shards: {corpus} is missing")
        for name in self.run.checkpoints:
            if name not in self.checkpoints:
                raise ValueError(f"run.checkpoints: {name} has no block under checkpoints; known: {', '.join(self.checkpoints)}")
        text = self.run.weighted_late_fusion
        known = self.papers.weighted_late_fusion
        for checkpoint, names in (("bert", text.bert), ("roberta", text.roberta)):
            for name in names:
                if name not in known.systems:
                    raise ValueError(f"run.weighted_late_fusion.{checkpoint}: unknown system {name!r}; known: {', '.join(known.systems)}")
        for protocol in text.protocols:
            if protocol not in known.protocols:
                raise ValueError(f"run.weighted_late_fusion.protocols: {protocol} has no block under papers.weighted_late_fusion.protocols")
        asked = {"weighted_late_fusion": text.corpora} | {f"features.{name}": group.corpora for name, group in self.run.features}
        for key, corpora in asked.items():
            for corpus in corpora:
                if corpus not in self.run.corpora:
                    raise ValueError(f"run.{key}.corpora: {corpus} is not in run.corpora")
        for name, group in self.run.features:
            if group.corpora and group.features and name in self.checkpoints and name not in self.run.checkpoints:
                raise ValueError(f"run.features.{name}: its checkpoint {name} is not in run.checkpoints")
        return self


def explain(error: ValidationError, where: str) -> str:
    """The first finding of pydantic as one line: the key, what is wrong, what is allowed; then how many more."""
    # an unknown key first: a typo is reported as unknown and as missing, and the first of these is what the user typed
    first, *more = sorted(error.errors(), key=lambda finding: finding["type"] != "extra_forbidden")
    key = ".".join(str(part) for part in first["loc"] if part != "[key]")
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        message = f"unknown key; allowed here: {_allowed(first['loc'])}"
    elif first["type"] == "missing":
        message = "missing"
    elif first["type"] == "float_type" and isinstance(first["input"], str) and re.fullmatch(r"\d+e-?\d+", first["input"]):
        message = f"here YAML reads {first['input']} as text; write {first['input'].replace('e', '.0e')}"
    elif "input" in first and not isinstance(first["input"], dict | list):
        message += f", not {first['input']!r}"
    rest = f" (and {len(more)} more)" if more else ""
    return f"{where}: {key + ': ' if key else ''}{message[0].lower()}{message[1:]}{rest}"


def _allowed(loc: tuple[int | str, ...]) -> str:
    model: Any = Params
    for part in loc[:-1]:
        annotation = model.model_fields[str(part)].annotation if isinstance(model, type) and issubclass(model, BaseModel) else model
        arguments = getattr(annotation, "__args__", ())
        if isinstance(model, type) and issubclass(model, BaseModel):
            model = annotation
        elif arguments:
            model = arguments[-1]
    if isinstance(model, type) and issubclass(model, BaseModel):
        return ", ".join(model.model_fields)
    arguments = getattr(model, "__args__", ())
    return ", ".join(getattr(arguments[0], "__args__", ("any name",))) if arguments else "none"


def load(path: Path) -> Params:
    """Read and check a params file.

    Raises:
        ParamsError: no such file, no YAML, or a key or value that cannot be; one line naming the key.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ParamsError(f"{path}: no such file; make it with `merflow params demo`") from error
    return check(text, str(path))


def check(text: str, where: str) -> Params:
    """The typed model of a params file's text; see `load`."""
    try:
        return Params.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise ParamsError(f"{where}: not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        raise ParamsError(explain(error, where)) from error


def slice_of(text: str) -> dict[str, Any]:
    """A rule's canonical JSON slice (dotted key -> value) as a dict."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ParamsError(f"--params must be a JSON object of dotted keys, not {text[:60]!r}")
    return value
