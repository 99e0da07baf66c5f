"""params.yaml: its typed model and its one-line errors. merflow.presets composes the file.

The models are the only place that says which keys exist and what they may be: here the whole and what belongs to no part,
``features`` and ``systems`` what extractors and papers share, and one module per paper. Steps parse the slice they are
handed with the same classes, so a value is checked the same way before the first job and inside it.
"""

import itertools
import json
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import Field, ValidationError, model_validator

from merflow.errors import ParamsError
from merflow.params import (
    class_weight_lstm,
    deepmsi_mer,
    joint_cnn,
    mel_cnn_bert,
    weighted_late_fusion,
)
from merflow.params.asked import asked
from merflow.params.base import CorpusName, KnownCorpus, Positive, Strict
from merflow.params.explain import explain
from merflow.params.features import (
    AlignedFeatures,
    ClipFeatures,
    EncoderFeatures,
    FaceFeatures,
    FeatureGroups,
    Features,
    Media,
    MelFeatures,
    SmileAlignedFeatures,
    SmileFeatures,
    SwinFeatures,
    Wav2vec2Features,
    WordVectorFeatures,
)
from merflow.params.systems import Fusion, OffTheShelf, PaperRun, Protocol, Rows, System, Training

__all__ = [
    "AlignedFeatures",
    "Checkpoint",
    "ClipFeatures",
    "CorpusParams",
    "EncoderFeatures",
    "Evaluation",
    "FaceFeatures",
    "FeatureGroups",
    "Features",
    "Fusion",
    "Media",
    "MelFeatures",
    "OffTheShelf",
    "Params",
    "ParamsError",
    "Protocol",
    "SmileAlignedFeatures",
    "SmileFeatures",
    "SwinFeatures",
    "System",
    "Training",
    "Wav2vec2Features",
    "WordVectorFeatures",
    "asked",
    "check",
    "explain",
    "load",
    "read",
    "slice_of",
]


class Checkpoint(Strict):
    """A pre-trained model or word-vector file: exactly one of the places below."""

    hub: str | None = None  # repository of the Hugging Face Hub, at the commit `revision`
    revision: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}$")
    url: str | None = None  # a file, or a zip archive with one file
    package: str | None = None  # a Python package that carries the files
    folder: str | None = None
    demo: (
        Literal["roberta", "wav2vec2", "wav2vec2_emotion", "clip", "swin", "glove", "fasttext"]
        | None
    ) = None  # made here

    @model_validator(mode="after")
    def _one(self) -> "Checkpoint":
        if (
            sum(
                place is not None
                for place in (self.hub, self.url, self.package, self.folder, self.demo)
            )
            != 1
        ):
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


class CorpusParams(Strict):
    """demo, official, or the path of a folder; of one's own corpus that of its clips, and a CSV file that says what is in them."""

    source: Annotated[str, Field(min_length=1)]
    annotations: Annotated[str, Field(min_length=1)] | None = None


class Run(Strict):
    """Lists of what there is, and the filters `corpora` and `papers` that select from them."""

    corpora: Annotated[list[str], Field(min_length=1)]
    papers: Annotated[list[str], Field(min_length=1)]
    shards: dict[CorpusName, Positive]  # one's own may be absent: 1
    features: FeatureGroups
    class_weight_lstm: class_weight_lstm.Run
    weighted_late_fusion: weighted_late_fusion.Run
    joint_cnn: joint_cnn.Run
    mel_cnn_bert: mel_cnn_bert.Run
    deepmsi_mer: deepmsi_mer.Run


class Papers(Strict):
    """One block per paper."""

    class_weight_lstm: class_weight_lstm.Paper
    weighted_late_fusion: weighted_late_fusion.Paper
    joint_cnn: joint_cnn.Paper
    mel_cnn_bert: mel_cnn_bert.Paper
    deepmsi_mer: deepmsi_mer.Paper


class Machine(Strict):
    """What all training shares."""

    precision: Literal["fp32", "bf16"]


class Evaluation(Strict):
    """Bootstrap intervals; and whether tables are made without the results that are absent or refused."""

    resamples: Annotated[int, Field(ge=100)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    seed: int
    allow_missing: bool = False


class Params(Strict):
    """The whole of params.yaml."""

    run: Run
    corpora: dict[CorpusName, CorpusParams]
    checkpoints: dict[str, Checkpoint]
    media: Media
    features: Features
    training: Machine
    papers: Papers
    evaluation: Evaluation

    @model_validator(mode="after")
    def _known(self) -> "Params":
        for corpus in self.run.corpora:
            if corpus not in self.corpora:
                raise ValueError(
                    f"run.corpora: {corpus} has no block under corpora; known: {', '.join(self.corpora)}"
                )
            if corpus not in self.run.shards and corpus in get_args(KnownCorpus):
                raise ValueError(f"run.shards: {corpus} is missing")
        for corpus, block in self.corpora.items():
            self._own(corpus, block)
        for name, group in self.run.features:
            self._listed(f"features.{name}", group.corpora)
        papers = type(self.papers).model_fields
        for paper in self.run.papers:
            if paper not in papers:
                raise ValueError(f"run.papers: {paper} is none of {', '.join(papers)}")
            self._runs(paper, getattr(self.run, paper), getattr(self.papers, paper))
        # with all papers, corpora and features are made without systems too
        if set(self.run.papers) != set(papers) and not any(map(self._asks, self.run.papers)):
            chosen = " is asked for on ".join(
                ", ".join(names) for names in (self.run.papers, self.run.corpora)
            )
            raise ValueError(f"run: no system of {chosen}: nothing is left")
        return self

    def _asks(self, paper: str) -> bool:
        """Tell whether a system of `paper` is asked for on a selected corpus."""
        stages = (rows for _, rows in getattr(self.run, paper) if isinstance(rows, Rows))
        return any(rows.systems and set(rows.corpora) & set(self.run.corpora) for rows in stages)

    def _own(self, corpus: CorpusName, block: CorpusParams) -> None:
        """Annotations go with one's own corpora, and only with these."""
        known = get_args(KnownCorpus)
        if corpus in known and block.annotations:
            raise ValueError(
                f"corpora.{corpus}.annotations: {corpus} has its own; choose another name for clips of your own"
            )
        if corpus not in known and not block.annotations:
            raise ValueError(
                f"corpora.{corpus}: none of {', '.join(known)}, and clips of your own need annotations, a CSV file"
            )
        if corpus not in known and block.source in ("demo", "official"):
            raise ValueError(
                f"corpora.{corpus}.source: {block.source} is there of {', '.join(known)} only; name the folder of the clips"
            )

    def _runs(self, paper: str, run: PaperRun, block: Any) -> None:
        """What run.<paper> asks for has its blocks."""
        for protocol in run.protocols:
            if protocol not in block.protocols:
                raise ValueError(
                    f"run.{paper}.protocols: {protocol} has no block under papers.{paper}.protocols"
                )
            if protocol == "clean" and block.protocols[protocol].select == "test":
                raise ValueError(
                    f"papers.{paper}.protocols.clean.select: test is what a clean protocol may not see; take dev or last"
                )
        for stage, rows in run:
            if not isinstance(rows, Rows):
                continue
            self._listed(f"{paper}.{stage}", rows.corpora)
            selected = [corpus for corpus in rows.corpora if corpus in self.run.corpora]
            for corpus, protocol in itertools.product(selected, run.protocols):
                if (
                    corpus in get_args(KnownCorpus)
                    and corpus not in block.protocols[protocol].scheme
                ):
                    raise ValueError(
                        f"papers.{paper}.protocols.{protocol}.scheme: names no split scheme for {corpus}"
                    )

    def _listed(self, key: str, corpora: list[CorpusName]) -> None:
        """Lists may name corpora that are not selected, but none that nobody knows."""
        known = dict.fromkeys([*get_args(KnownCorpus), *self.corpora])
        for corpus in corpora:
            if corpus not in known:
                raise ValueError(
                    f"run.{key}.corpora: {corpus} has no block under corpora; known: {', '.join(known)}"
                )


def load(path: Path) -> Params:
    """Read and check a params file.

    Raises:
        ParamsError: no such file, no YAML, or a key or value that cannot be; one line naming the key.
    """
    return check(_text(path), str(path))


def read(path: Path) -> dict[str, Any]:
    """Values of a params file, checked as by `load`."""
    return _checked(_text(path), str(path))[0]


def check(text: str, where: str) -> Params:
    """The typed model of a params file's text; see `load`."""
    return _checked(text, where)[1]


def _text(path: Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ParamsError(f"{path}: no such file; make it with `merflow params demo`") from error


def _checked(text: str, where: str) -> tuple[dict[str, Any], Params]:
    try:
        values = yaml.load(text, yaml.CSafeLoader)
        return values, Params.model_validate(values)
    except yaml.YAMLError as error:
        raise ParamsError(f"{where}: not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        raise ParamsError(explain(error, where, Params)) from error


def slice_of(text: str) -> dict[str, Any]:
    """A rule's canonical JSON slice (dotted key -> value) as a dict."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ParamsError(f"--params must be a JSON object of dotted keys, not {text[:60]!r}")
    return value
