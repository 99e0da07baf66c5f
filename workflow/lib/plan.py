"""All stages of dvc.yaml as Snakemake's rules see them; no path is declared twice.

Run as a program it is the stage ``code``: it brings workflow/params and workflow/matrix.json, which
DVC reads, up to date.
"""

import hashlib
import json
import os
import sys
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import digests
import parameter_files
import user_files
from run_lock import IN_STAGE, inside_a_run
from stage import Point, Stage, lookup, point_of

from merflow import kept_weights, params, paths, provenance, registry, selection
from merflow.corpora import annotations, schemes
from merflow.corpora.annotations import Annotations
from merflow.errors import MerflowError, of_system
from merflow.origins import path_of

PARAMS = Path("params.yaml")
ARTIFACTS = ("data/", "results/")
#: Folders that a stage takes with whatever is in them; DVC refuses an absent dependency.
COLLECTED = [f"results/{folder}" for folder in (*registry.PAPERS, "sheets")]
#: Environment variable: file that lists artifacts which a failed run did not bring up to date.
UNMADE = "MERFLOW_UNMADE"
InputFunction = Callable[[Any], list[str]]  # of Snakemake: wildcards -> input files


class Plan:
    """All stages but ``code``; ``plan.<stage>`` is one of them.

    Attributes:
        params: params.yaml, complete and checked.
        axes: of the matrices.
        values: what stages take: `params`, `axes` under ``axes``, and ``keep_weights``.
        stages: by name.
        everything: function that tells whether all artifacts are asked for; where some are asked
            for by name, scores and report take what exists if ``evaluation.allow_missing``
            permits.

    Raises:
        ParamsError: params.yaml does not fit the typed model (merflow.params).
    """

    def __init__(self, root: Path = Path()):
        """Args: root: the checkout."""
        self.root = root
        self.everything: Callable[[], bool] = lambda: True
        self.params: dict[str, Any] = params.read(root / PARAMS)
        specs = selection.stages_at(root)
        self.axes = selection.axes(self.params, specs, root)
        keep_weights = (
            parameter_files.keep_weights(root)
            if _below_another_run()
            else kept_weights.values(self.params, self.axes, specs, root)
        )
        self.values = self.params | {"axes": self.axes, "keep_weights": keep_weights}
        self.stages = {
            name: Stage(name, spec, self) for name, spec in specs.items() if name != "code"
        }
        self._digests: dict[str, str | None] = {}  # DVC's stage -> of its files at the start

    def __getattr__(self, name: str) -> Stage:
        stages: dict[str, Stage] = self.__dict__.get("stages", {})
        if name not in stages:
            raise AttributeError(name)
        return stages[name]

    @cached_property
    def owner(self) -> dict[str, tuple[Stage, Point]]:
        """Every artifact -> the stage and point that make it."""
        return {
            out.format_map(point): (stage, point)
            for stage in self.stages.values()
            for point in stage.points
            for out in stage.outs
        }

    @cached_property
    def graph(self) -> tuple[dict[str, list[str]], dict[str, set[str]]]:
        """DVC stage -> its artifacts, and DVC stage -> the stages whose artifacts it takes.

        Raises:
            ParamsError: a dependency is not made by any stage.
        """
        outs: dict[str, list[str]] = {}
        ups: dict[str, set[str]] = {}
        for stage in self.stages.values():
            for point in stage.points:
                name, inputs = stage.address(point), stage.data(point)
                outs[name] = [out.format_map(point) for out in stage.outs]
                ups[name] = {self.address_of(path) for path in inputs if path in self.owner}
        return outs, ups

    @cached_property
    def folders(self) -> dict[str, str]:
        """DVC stages that copy a folder of the user -> the folder, or ABSENT."""
        return {
            stage.address(point): point["folder"]
            for stage in self.stages.values()
            for point in stage.points
            if "folder" in point
        }

    @cached_property
    def annotation_files(self) -> dict[str, str]:
        """DVC stages that read annotations of a custom corpus -> the file, which lies anywhere."""
        return {
            self.prepare_own.address(point): point["annotations"]
            for point in self.prepare_own.points
        }

    @cached_property
    def readers(self) -> dict[str, str]:
        """DVC stages that read files of the user -> the folder, ABSENT, or the annotations."""
        return self.folders | self.annotation_files

    def stage_at(self, address: str) -> tuple[Stage, Point]:
        """Stage and point of a name of DVC."""
        stage = self.stages[address.partition("@")[0]]
        return stage, next(point for point in stage.points if stage.address(point) == address)

    def address_of(self, artifact: str) -> str:
        """DVC's name of the stage that makes an artifact."""
        stage, point = self.owner[artifact]
        return stage.address(point)

    def files_at(self, path: str) -> list[str] | None:
        """Files of a dependency: an artifact, all artifacts below it, or files of the repository.

        Results of an earlier `run` that are no longer asked for are not among them.

        Returns:
            None: no stage makes it, and the repository has no such file.
        """
        if path in self.owner or path in self.annotation_files.values():
            return [path]
        if path in self.folders.values():
            return []  # maybe 100,000 files: see user_files.py
        below = [artifact for artifact in self.owner if artifact.startswith(path.rstrip("/") + "/")]
        if below or path in COLLECTED:
            return below
        place = self.root / path
        if path.startswith(ARTIFACTS) or not place.exists():
            return None
        files = sorted(place.rglob("*")) if place.is_dir() else [place]
        return [
            str(file.relative_to(self.root))
            for file in files
            if file.is_file() and "__pycache__" not in file.parts
        ]

    # What rules ask for

    @property
    def allows_missing(self) -> bool:
        """True if scores, tables and report may lack results."""
        return bool(self.params["evaluation"].get("allow_missing", False))

    @property
    def results(self) -> list[str]:
        """Predictions of all systems."""
        return [path for path in self.owner if Path(path).name == paths.PREDICTIONS]

    @cached_property
    def unmade(self) -> frozenset[str]:
        """Artifacts that a failed run did not bring up to date; its report lacks them."""
        file = os.environ.get(UNMADE)
        return frozenset(json.loads(Path(file).read_text(encoding="utf-8")) if file else ())

    def available(self, stage: Stage) -> InputFunction:
        """Inputs of a stage, without missing ones if ``evaluation.allow_missing`` permits.

        A run of everything waits for all of them. With no result at all, all are asked for.
        """

        def inputs(wildcards: Any) -> list[str]:
            data = stage.data(wildcards)
            if self.everything() or not self.allows_missing:
                return data
            present = [path for path in data if not self._missing(path)]
            return present if set(present) & set(self.results) else data

        return inputs

    def _missing(self, path: str) -> bool:
        """Tell whether an input of scores or report is left out."""
        if path in self.unmade:
            return True
        if path not in self.owner or (self.root / path).exists():
            return False
        stage, point = self.owner[path]
        if stage.name == "sheet":  # made with the report, if its own inputs are there
            return any(map(self._missing, stage.data(point)))
        return stage.name not in ("score", "tables")

    def data_for(self, artifact: str) -> InputFunction:
        """Inputs of a job that does a share of an artifact.

        They are the inputs of the stage that makes the artifact (a pattern).
        """
        return lambda wildcards: self._made_by(artifact, wildcards, Stage.data)

    def cfg_for(self, artifact: str) -> Callable[[Any], str]:
        """Parameters of the stage that makes an artifact (a pattern); see `Stage.cfg`."""
        return lambda wildcards: self._made_by(artifact, wildcards, Stage.cfg)

    def _made_by(self, artifact: str, wildcards: Any, ask: Callable[[Stage, Point], Any]) -> Any:
        stage, point = self.owner[artifact.format_map(point_of(wildcards))]
        return ask(stage, point)

    def shards(self, pattern: str) -> InputFunction:
        """Files of the shards that the utterances of a corpus are shared among."""
        count = self.params["run"]["shards"]
        return lambda wildcards: _shards(pattern, wildcards, count.get(wildcards.corpus, 1))

    def run_shards(self, pattern: str) -> InputFunction:
        """Folders of the shards of a system.

        Its runs (folds x seeds) are shared among them.
        """

        def folders(wildcards: Any) -> list[str]:
            corpus, paper, protocol = wildcards.corpus, wildcards.paper, wildcards.protocol
            seeds = self.params["papers"][paper]["protocols"][protocol]["seeds"]
            runs = self.folds(corpus, paper, protocol) * len(seeds)
            jobs = self.params["run"][paper]["jobs"]
            return _shards(pattern, wildcards, min(jobs, runs))

        return folders

    def folds(self, corpus: str, paper: str, protocol: str) -> int:
        """Number of folds of the split scheme of a protocol.

        The annotations of a custom corpus say its own number.
        """
        if corpus in self.annotations:
            return self.annotations[corpus].folds
        params = self.params["papers"][paper]["protocols"][protocol]
        return schemes.folds(corpus, params["scheme"][corpus])

    @cached_property
    def annotations(self) -> dict[str, Annotations]:
        """Annotations of the custom corpora that run.

        Raises:
            CorpusError: a file is absent or malformed.
        """
        tables = {
            name: self.params["corpora"][name].get("annotations")
            for name in self.params["run"]["corpora"]
        }
        return {
            name: annotations.read(self.root / path_of(table))
            for name, table in tables.items()
            if table
        }

    def gpus(self, wildcards: Any) -> int:
        """GPUs that an extractor can use: one if it computes in a network, else none."""
        return int(provenance.constant(registry.EXTRACTORS[wildcards.feature], "USES_GPU"))

    # What DVC and Snakemake compare

    @cached_property
    def code(self) -> dict[str, str]:
        """Digest of each key of code (`Stage.code_key`).

        The stage ``code`` and the start of a run compute them; all others read them.
        """
        if _below_another_run():
            return parameter_files.digests(self.root)
        return digests.compute(self.stages.values(), self.params)

    def files_digest(self, stage: Stage, point: Point) -> str | None:
        """Digest of the inputs that no stage makes, as they were at the first call.

        DVC compares their content, and so does Snakemake, which by itself compares times.
        """
        address = stage.address(point)
        if address not in self._digests:
            self._digests[address] = self._digest_of_files(stage, point)
        return self._digests[address]

    def edited_since(self, address: str) -> bool:
        """Tell whether the user edited inputs of a stage during this run."""
        stage, point = self.stage_at(address)
        if address not in self._digests:
            return False
        same_folder = address not in self.folders or user_files.listed_as_before(self, address)
        return not same_folder or self._digests[address] != self._digest_of_files(stage, point)

    def _digest_of_files(self, stage: Stage, point: Point) -> str | None:
        address, sha = stage.address(point), hashlib.sha256()
        if address in self.folders:
            return user_files.mark_of(address)
        if not (files := [path for path in stage.data(point) if path not in self.owner]):
            return None
        for path in files:
            sha.update(f"{path}\n".encode())
            sha.update((self.root / path).read_bytes())
        return sha.hexdigest()[:16]

    def write(self) -> bool:
        """Bring workflow/params and workflow/matrix.json up to date.

        Returns:
            True if the matrix changed.

        Raises:
            ParamsError: a dependency is not made by any stage. Snakemake would not say so if a
                file of an earlier run lies there.
            CorpusError: annotations are absent or malformed.
        """
        _ = self.annotations, self.graph
        for folder in COLLECTED:
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        files: dict[Path, dict[str, Any]] = {}
        for stage in self.stages.values():
            for file, pattern in stage.keys:
                if file.parent == parameter_files.FOLDER:
                    keys = {pattern.format_map(point) for point in stage.points}
                    files.setdefault(file, {}).update({key: self._value(key) for key in keys})
        parameter_files.write(self.root, {file: keys for file, keys in files.items() if keys})
        return selection.write_matrix(self.root, self.axes)

    def _value(self, key: str) -> Any:
        if key.startswith(parameter_files.CODE):
            return self.code[key.removeprefix(parameter_files.CODE)]
        return lookup(self.values, key)


def _below_another_run() -> bool:
    """Tell if a run, or another stage, started this process.

    Code and results may then be in flux.
    """
    return os.environ.get(IN_STAGE, "code") != "code" or inside_a_run()


def _shards(pattern: str, wildcards: Any, count: int) -> list[str]:
    return [pattern.format(shard=shard, shards=count, **wildcards) for shard in range(count)]


if __name__ == "__main__":
    try:
        changed = Plan().write()
    except MerflowError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {of_system(error)}")
    if changed:  # DVC has read dvc.yaml, and with it the axes, before this stage
        sys.exit(
            "params.yaml asks for other stages or files than before;"
            f" {selection.MATRIX} is up to date now: start `dvc repro` again"
        )
