"""The model of the whole params.yaml, and what its parts must agree on."""

from collections.abc import Iterable
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, create_model, model_validator

from merflow.params.base import CorpusName, Positive, Strict
from merflow.params.features import FeatureGroupsParams, FeaturesParams, MediaParams
from merflow.params.sources import CheckpointParams, CorpusParams
from merflow.params.systems import PaperParams, PaperRunParams, StageParams
from merflow.registry import CORPORA, PAPERS

#: Paper -> module with its two blocks.
_PAPERS = {
    paper: import_module(f"merflow.params.{paper}")
    for paper in PAPERS
    if Path(__file__).with_name(f"{paper}.py").exists()
}


class _RunParams(Strict):
    """The block ``run``: lists of features and systems, and filters that select from them."""

    corpora: Annotated[list[str], Field(min_length=1)] = Field(
        description="filter: corpora to run, out of the corpora in the lists below"
    )
    papers: Annotated[list[str], Field(min_length=1)] = Field(
        description="filter: papers to run. With fewer papers, only inputs of their systems are "
        "made"
    )
    shards: dict[CorpusName, Positive] = Field(
        description="number of jobs that decode the clips of a corpus, and that extract each of "
        "its features, at least 100 utterances each. The result does not depend on it"
    )
    features: FeatureGroupsParams = Field(
        description="features by their source: each group is a stage of dvc.yaml"
    )


class _PapersParams(Strict):
    """The block ``papers``."""


if TYPE_CHECKING:  # a type checker cannot know the fields of each paper

    class RunParams(_RunParams):
        """See `_RunParams`."""

    class PapersParams(_PapersParams):
        """See `_PapersParams`."""

else:
    RunParams = create_model(
        "RunParams", __base__=_RunParams, **{paper: m.RUN for paper, m in _PAPERS.items()}
    )
    PapersParams = create_model(
        "PapersParams", __base__=_PapersParams, **{paper: m.PAPER for paper, m in _PAPERS.items()}
    )


class DeviceParams(Strict):
    """The block ``training``, shared by all training."""

    precision: Literal["fp32", "bf16"] = Field(
        description="of systems that fine-tune a checkpoint: fp32, or bf16 where the device "
        "computes in it. Other systems are small and always fp32"
    )


class EvaluationParams(Strict):
    """The block ``evaluation``."""

    resamples: Annotated[int, Field(ge=100)] = Field(
        description="number of bootstrap resamples of dialogues, at least 100"
    )
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        description="confidence of the printed intervals, 0.5 to 1"
    )
    seed: int = Field(description="seed of the resampling")
    allow_missing: bool = Field(
        default=False,
        description="true: results that are absent or refused are left out, and tables and report "
        "say so",
    )


class Params(Strict):
    """The whole of params.yaml."""

    run: RunParams = Field(
        description="Features and systems to make, each with its corpora, and two filters, corpora "
        "and papers"
    )
    corpora: dict[CorpusName, CorpusParams] = Field(description="Source of each corpus")
    checkpoints: dict[str, CheckpointParams] = Field(
        description="Pre-trained models and word vectors, each from one place. wav2vec2-base is "
        "published as a pickle only, which is never loaded: wav2vec2 is the same network, "
        "fine-tuned to transcribe"
    )
    media: MediaParams = Field(
        description="Storage of decoded clips. Audio is kept whole, as 16 kHz mono FLAC"
    )
    features: FeaturesParams = Field(description="Parameters of each feature extractor")
    training: DeviceParams = Field(description="Shared by all training")
    papers: PapersParams = Field(description="Parameters of each paper")
    evaluation: EvaluationParams = Field(description="Confidence intervals, and absent results")

    @model_validator(mode="after")
    def _agrees(self) -> "Params":
        for corpus in self.run.corpora:
            if corpus not in self.corpora:
                raise ValueError(_unknown("run.corpora", corpus, self.corpora))
            if corpus not in self.run.shards and corpus in CORPORA:
                raise ValueError(f"run.shards: {corpus} is missing")
        for corpus, source in self.corpora.items():
            _check_source(corpus, source)
        for name, group in self.run.features:
            self._check_list(f"features.{name}", group.corpora)
        papers = PapersParams.model_fields
        for paper in self.run.papers:
            if paper not in papers:
                raise ValueError(f"run.papers: {paper} is none of {', '.join(papers)}")
            self._check_paper(paper, getattr(self.run, paper), getattr(self.papers, paper))
        # With all papers, corpora and features are made even where no system takes them.
        if set(self.run.papers) != set(papers) and not any(map(self._runs, self.run.papers)):
            chosen, corpora = (", ".join(names) for names in (self.run.papers, self.run.corpora))
            raise ValueError(
                f"run: no system of {chosen} is asked for on {corpora}: nothing is left"
            )
        return self

    def _runs(self, paper: str) -> bool:
        """Tell whether a system of `paper` runs on a selected corpus."""
        selected = set(self.run.corpora)
        stages = _stages(getattr(self.run, paper)).values()
        return any(stage.systems and selected & set(stage.corpora) for stage in stages)

    def _check_paper(self, paper: str, run: PaperRunParams, params: PaperParams) -> None:
        """Refuse protocols, corpora and schemes that `run` names and no block has."""
        key = f"papers.{paper}.protocols"
        for protocol in run.protocols:
            if protocol not in params.protocols:
                raise ValueError(f"run.{paper}.protocols: {protocol} has no block under {key}")
            if protocol == "clean" and params.protocols[protocol].select == "test":
                raise ValueError(
                    f"{key}.clean.select: test is what a clean protocol may not see; "
                    "take dev or last"
                )
        for name, stage in _stages(run).items():
            self._check_list(f"{paper}.{name}", stage.corpora)
            self._check_frames(paper, stage, params)
            selected = [corpus for corpus in stage.corpora if corpus in self.run.corpora]
            for corpus, protocol in product(selected, run.protocols):
                if corpus in CORPORA and corpus not in params.protocols[protocol].scheme:
                    raise ValueError(f"{key}.{protocol}.scheme: names no split scheme for {corpus}")
        if isinstance(params.keep_weights, list):
            _check_kept(f"papers.{paper}.keep_weights", params, params.keep_weights)

    def _check_frames(self, paper: str, stage: StageParams, params: PaperParams) -> None:
        """Refuse systems that take more frames than are stored."""
        if not set(stage.corpora) & set(self.run.corpora):
            return
        for name in stage.systems:
            block = getattr(getattr(params, "systems", None), name, None)
            dense = getattr(getattr(block, "inputs", None), "frames_dense", None)
            if dense is not None and dense.frames > self.media.dense_frames:
                raise ValueError(
                    f"papers.{paper}.systems.{name}.inputs.frames_dense.frames: {dense.frames} are "
                    f"more than media.dense_frames, {self.media.dense_frames}; raise that, or take "
                    f"{name} out of run.{paper}"
                )

    def _check_list(self, key: str, corpora: list[CorpusName]) -> None:
        """Refuse unknown corpora; a list may name known ones that are not selected."""
        names = dict.fromkeys([*CORPORA, *self.corpora])
        for corpus in corpora:
            if corpus not in names:
                raise ValueError(_unknown(f"run.{key}.corpora", corpus, names))


def _stages(run: PaperRunParams) -> dict[str, StageParams]:
    """Stages of a paper by name."""
    return {name: value for name, value in run if isinstance(value, StageParams)}


def _check_kept(key: str, params: PaperParams, names: list[str]) -> None:
    """Refuse names of systems that have no weights."""
    systems: Iterable[tuple[str, Strict]] = getattr(params, "systems", ())
    trained = [name for name, block in systems if "training" in type(block).model_fields]
    for name in names:
        if name not in trained:
            raise ValueError(f"{key}: {name} has no weights; known: {', '.join(trained)}")


def _unknown(key: str, corpus: str, names: Iterable[str]) -> str:
    return f"{key}: {corpus} has no block under corpora; known: {', '.join(names)}"


def _check_source(corpus: CorpusName, params: CorpusParams) -> None:
    """Refuse annotations of a published corpus, and a corpus of one's own without them."""
    word = params.source.strip().lower()
    if word in ("demo", "official") and word != params.source:
        raise ValueError(
            f"corpora.{corpus}.source: write {word}, or ./{params.source} for a folder of that name"
        )
    published = ", ".join(CORPORA)
    if corpus in CORPORA:
        if params.annotations:
            raise ValueError(
                f"corpora.{corpus}.annotations: {corpus} has labels already; "
                "choose another name for your own clips"
            )
    elif not params.annotations:
        raise ValueError(
            f"corpora.{corpus}: expected one of {published}, or annotations of your own clips, "
            "a CSV file"
        )
    elif params.source in ("demo", "official"):
        raise ValueError(
            f"corpora.{corpus}.source: {params.source} is for {published} only; "
            "name the folder of your clips"
        )
