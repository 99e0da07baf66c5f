"""params.yaml: its typed model, its one-line errors, and its composition from params/paper.yaml and params/demo.yaml.

The model is the only place that says which keys exist and what they may be. Steps parse the slice they are
handed with the same classes, so a value is checked the same way before the first job and inside it.
"""

import io
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML

from merflow.errors import ParamsError

Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[int, Field(ge=1)]
PositiveReal = Annotated[float, Field(gt=0)]
Seeds = Annotated[list[int], Field(min_length=1)]
Unique = Field(min_length=1)

CorpusName = Literal["meld", "iemocap", "mosei", "ravdess"]
FeatureName = Literal["bert"]
ProtocolName = Literal["as_published", "clean"]


class Strict(BaseModel):
    """No unknown keys, no silent conversion of types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Checkpoint(Strict):
    """A pre-trained model: exactly one of a Hub repository at a commit, a package that carries it, or a folder."""

    hub: str | None = None
    revision: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}$")
    package: str | None = None
    folder: str | None = None

    @model_validator(mode="after")
    def _one(self) -> "Checkpoint":
        if sum(place is not None for place in (self.hub, self.package, self.folder)) != 1:
            raise ValueError("name exactly one of hub, package, folder")
        if (self.hub is None) != (self.revision is None):
            raise ValueError("hub and revision (a full commit) go together")
        return self

    @property
    def name(self) -> str:
        """How tables and metadata call it."""
        return f"{self.hub}@{self.revision[:7]}" if self.hub and self.revision else str(self.package or self.folder)


class BertFeatures(Strict):
    """Parameters of merflow.features.text.bert."""

    checkpoint: Checkpoint
    max_tokens: Annotated[int, Field(ge=2, le=512)]


class CorpusParams(Strict):
    """demo, official, or the path of a folder."""

    source: Annotated[str, Field(min_length=1)]


class FineTuning(Strict):
    """A text encoder fine-tuned end to end (weighted_late_fusion, section A)."""

    checkpoint: Checkpoint
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
    """The stages of weighted_late_fusion: corpora x protocols x text systems."""

    corpora: Annotated[list[CorpusName], Unique]
    protocols: Annotated[list[ProtocolName], Unique]
    text: Annotated[list[str], Unique]


class Run(Strict):
    """What is rebuilt."""

    corpora: Annotated[list[CorpusName], Unique]
    features: Annotated[list[FeatureName], Unique]
    shards: dict[CorpusName, Positive]
    weighted_late_fusion: TextSystems


class Features(Strict):
    """One block per extractor."""

    bert: BertFeatures


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
        text = self.run.weighted_late_fusion
        known = self.papers.weighted_late_fusion
        for name in text.text:
            if name not in known.systems:
                raise ValueError(f"run.weighted_late_fusion.text: unknown system {name!r}; known: {', '.join(known.systems)}")
        for protocol in text.protocols:
            if protocol not in known.protocols:
                raise ValueError(f"run.weighted_late_fusion.protocols: {protocol} has no block under papers.weighted_late_fusion.protocols")
        for corpus in text.corpora:
            if corpus not in self.run.corpora:
                raise ValueError(f"run.weighted_late_fusion.corpora: {corpus} is not in run.corpora")
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


def compose(preset: str, folder: Path = Path("params")) -> str:
    """The text of params.yaml for `preset`: params/paper.yaml, with params/demo.yaml laid over it for ``demo``.

    The patch follows RFC 7396 (null removes a key); comments and anchors of paper.yaml survive.

    Raises:
        ParamsError: unknown preset, or a file of it is absent.
    """
    if preset not in ("paper", "demo"):
        raise ParamsError(f"{preset}: unknown preset; known: paper, demo")
    yaml_files = YAML()
    yaml_files.width = 1000  # keep one line per system
    yaml_files.preserve_quotes = True
    try:
        tree = yaml_files.load((folder / "paper.yaml").read_text(encoding="utf-8"))
        if preset == "demo":
            _patch(tree, yaml_files.load((folder / "demo.yaml").read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise ParamsError(f"{error.filename}: no such file; run this in the project's folder") from error
    text = io.StringIO()
    yaml_files.dump(tree, text)
    return text.getvalue()


def _patch(target: Any, patch: Any) -> None:
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict) and isinstance(target.get(key), dict):
            _patch(target[key], value)
        elif isinstance(value, list) and isinstance(target.get(key), list):
            target[key][:] = value  # in place: the list keeps its comments and its layout
        else:
            target[key] = value


def slice_of(text: str) -> dict[str, Any]:
    """A rule's canonical JSON slice (dotted key -> value) as a dict."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ParamsError(f"--params must be a JSON object of dotted keys, not {text[:60]!r}")
    return value
