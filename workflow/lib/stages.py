"""dvc.yaml as Snakemake sees it: ``${item.x}`` is the wildcard ``{x}``; no path is declared twice.

A stage's ``meta`` says the two things that DVC has no word for: ``code``, the modules where its code begins, and
``marker``, the file inside a directory output that Snakemake watches (it compares no directory by content).
"""

import itertools
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, reduce
from pathlib import Path
from typing import Any

from run_lock import IN_STAGE, inside_a_run

from merflow import corpora, params, registry, selection
from merflow.checkpoints.demo import MAKERS
from merflow.corpora import annotations, schemes
from merflow.corpora.annotations import Annotations
from merflow.errors import MerflowError, ParamsError
from merflow.provenance import digest, digest_of_values
from merflow.selection import MATRIX

PARAMS = Path("params.yaml")
TAKEN = Path(
    "workflow/params"
)  # what stages take of it, and digests of code: JSON that DVC compares; it reads YAML slowly, for each stage
CODE = "code."  # of a digest's key there
REGISTRIES: dict[str, Callable[[str], str]] = {
    "merflow.corpora": registry.corpus_module,
    "merflow.features": registry.EXTRACTORS.__getitem__,
    "merflow.papers": registry.PAPERS.__getitem__,
}
MADE = ("data/", "results/")  # where artifacts lie
COLLECTED = [
    f"results/{folder}" for folder in (*registry.PAPERS, "sheets")
]  # folders that a stage takes with whatever is in them
Point = Mapping[str, str]


def lookup(values: Any, key: str) -> Any:
    """The value at a dotted key."""
    try:
        return reduce(lambda node, part: node[part], key.split("."), values)
    except (KeyError, TypeError):
        raise ParamsError(
            f"params.yaml: {key}: missing, and a stage of dvc.yaml asks for it"
        ) from None


class Stage:
    """One stage of dvc.yaml with its matrix of points (wildcard values)."""

    def __init__(self, name: str, spec: dict[str, Any], plan: "Plan"):
        self.name, self.spec, self.plan = name, spec, plan

    def _entries(self, section: str) -> Iterator[str]:
        for entry in self.spec.get(section, []):
            yield self._pattern(
                entry if isinstance(entry, str) else next(iter(entry))
            )  # {path: {cache: false}}

    @cached_property
    def keys(self) -> list[tuple[Path, str]]:
        """Patterns of the keys that the stage takes, each with the file of parameters that DVC finds it in."""
        return [
            (Path(file), self._pattern(key))
            for entry in self.spec["params"]
            for file, keys in entry.items()
            for key in keys
        ]

    def _pattern(self, entry: str) -> str:
        """``${item.x}`` as the wildcard ``{x}``, another ``${key}`` as its value in params.yaml."""
        pattern = re.sub(r"\$\{item\.(\w+)\}", r"{\1}", entry)
        return re.sub(
            r"\$\{([\w.]+)\}", lambda found: str(lookup(self.plan.values, found[1])), pattern
        )

    @cached_property
    def declared(self) -> list[str]:
        """Output patterns as DVC tracks them."""
        return [path for section in ("outs", "metrics", "plots") for path in self._entries(section)]

    @cached_property
    def outs(self) -> list[str]:
        """Output patterns as Snakemake makes them: files, a directory by its marker."""
        marker = self.spec.get("meta", {}).get("marker")
        return [path if Path(path).suffix else f"{path}/{marker}" for path in self.declared]

    @cached_property
    def points(self) -> list[Point]:
        """The matrix: one dict of wildcard values for each DVC stage ``name@a-b``."""
        axes: dict[str, list[str]] = {}
        for axis, values in self.spec.get("matrix", {}).items():
            reference = re.fullmatch(r"\$\{([\w.]+)\}", values) if isinstance(values, str) else None
            axes[axis] = lookup(self.plan.values, reference[1]) if reference else values
        return [
            dict(zip(axes, combination, strict=True))
            for combination in itertools.product(*axes.values())
        ]

    def address(self, point: Point) -> str:
        """DVC's name of the stage at one point; other wildcards than the matrix' axes do not count."""
        axes = self.spec.get("matrix", {})
        return f"{self.name}@{'-'.join(point[axis] for axis in axes)}" if axes else self.name

    def code_key(self, point: Point) -> str:
        """Key of the digest of the stage's code; stages that reach the same code share one."""
        (key,) = [key for _, key in self.keys if key.startswith(CODE)]
        return key.removeprefix(CODE).format_map(point)

    def roots(self, point: Point) -> list[str]:
        """Modules where the stage's code begins; ``merflow.papers:x`` is what that registry has under x."""
        roots = []
        for entry in self.spec.get("meta", {}).get("code", []):
            package, _, key = self._pattern(entry).format_map(point).partition(":")
            roots.append(REGISTRIES[package](key) if key else package)
        return roots

    def data(self, wildcards: Any) -> list[str]:
        """Input files: artifacts by path, a directory by every artifact declared below it, or files of the repository.

        Raises:
            ParamsError: nobody makes one of them.
        """
        found: list[str] = []
        for pattern in self._entries("deps"):
            path = pattern.format_map(_values(wildcards))
            files = self.plan.artifacts_at(path)
            if files is None:
                raise ParamsError(
                    f"{self.address(_values(wildcards))}: takes {path}, which nothing in run (params.yaml) makes, and which is no file of"
                    " the repository; ask for it there, or no longer for what takes it"
                )
            found += files
        return found

    def cfg(self, wildcards: Any) -> str:
        """The stage's slice of params.yaml and its code digest, as canonical JSON: a rule's one trigger besides its inputs."""
        point = _values(wildcards)
        keys = [key.format_map(point) for _, key in self.keys if not key.startswith(CODE)]
        values = {key: lookup(self.plan.values, key) for key in keys}
        return json.dumps(values | {"code": self.plan.code[self.code_key(point)]}, sort_keys=True)


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Values at dotted keys as DVC looks them up.

    Raises:
        ParamsError: a key lies below another one, whose value is one line here.
    """
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        *above, last = key.split(".")
        if any(".".join(above[:depth]) in flat for depth in range(1, len(above) + 1)):
            raise ParamsError(
                f"dvc.yaml: {key}: a stage takes a block above it from the same file; take it from another file"
            )
        reduce(lambda node, part: node.setdefault(part, {}), above, nested)[last] = value
    return nested


def _flat(nested: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys with their values."""
    for key, value in nested.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _values(wildcards: Any) -> dict[str, str]:
    """Snakemake's wildcards, or a point, as a plain dict."""
    return dict(wildcards.items())


class Plan:
    """All stages but ``code``, which is this module's own work; ``plan.<stage>`` is one of them.

    Raises:
        ParamsError: params.yaml does not fit the typed model (merflow.params).
    """

    def __init__(self, root: Path = Path()):
        self.root = root
        self.params: dict[str, Any] = params.read(root / PARAMS)
        specs = selection.stages_at(root)
        self.axes = selection.axes(self.params, specs)
        self.values = self.params | {"axes": self.axes}  # as DVC's templates see them
        self.stages = {
            name: Stage(name, spec, self) for name, spec in specs.items() if name != "code"
        }

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
        """DVC stage -> its artifacts, and DVC stage -> the stages whose artifacts it takes."""
        outs: dict[str, list[str]] = {}
        ups: dict[str, set[str]] = {}
        for stage in self.stages.values():
            for point in stage.points:
                name = stage.address(point)
                outs[name] = [out.format_map(point) for out in stage.outs]
                ups[name] = {
                    self.address_of(path) for path in stage.data(point) if path in self.owner
                }
        return outs, ups

    def at_hand(self, stage: Stage) -> Callable[[Any], list[str]]:
        """An input function: what `stage` takes, without absent results where ``evaluation.allow_missing`` lets it go on without."""

        def absent(path: str) -> bool:
            return Path(path).name == "predictions.parquet" and not (self.root / path).exists()

        allowed = self.params["evaluation"].get("allow_missing", False)
        return lambda wildcards: [
            path for path in stage.data(wildcards) if not (allowed and absent(path))
        ]

    def data_for(self, artifact: str) -> Callable[[Any], list[str]]:
        """An input function for jobs that make a part of `artifact`, a pattern: the files of its stage."""
        return lambda wildcards: self._made_by(artifact, wildcards, Stage.data)

    def cfg_for(self, artifact: str) -> Callable[[Any], str]:
        """A parameter function for jobs that make a part of `artifact`, a pattern: the slice of its stage."""
        return lambda wildcards: self._made_by(artifact, wildcards, Stage.cfg)

    def _made_by(self, artifact: str, wildcards: Any, asked: Callable[[Stage, Point], Any]) -> Any:
        stage, point = self.owner[artifact.format_map(_values(wildcards))]
        return asked(stage, point)

    def address_of(self, artifact: str) -> str:
        """DVC's name of the stage that makes `artifact`."""
        stage, point = self.owner[artifact]
        return stage.address(point)

    def artifacts_at(self, path: str) -> list[str] | None:
        """`path` as files: an artifact, all artifacts below it, or the repository's own file or files; None if there is nothing.

        What lies in a folder of results that nobody asks for any more is of an earlier `run`, and is nobody's.
        """
        if path in self.owner:
            return [path]
        below = [artifact for artifact in self.owner if artifact.startswith(path.rstrip("/") + "/")]
        if below or path in COLLECTED:
            return below
        own = self.root / path
        if path.startswith(MADE) or not own.exists():
            return None
        files = (
            sorted(
                file
                for file in own.rglob("*")
                if file.is_file() and "__pycache__" not in file.parts
            )
            if own.is_dir()
            else [own]
        )
        return [str(file.relative_to(self.root)) for file in files]

    @cached_property
    def code(self) -> dict[str, str]:
        """Key of a digest -> digest of the code that a stage with this key reaches."""
        if (
            os.environ.get(IN_STAGE, "code") != "code" or inside_a_run()
        ):  # digests were taken before: by the stage code, or at the start
            files = [
                json.loads(path.read_text(encoding="utf-8"))
                for path in sorted((self.root / TAKEN).glob("*.json"))
            ]
            return {
                key.removeprefix(CODE): value
                for file in files
                for key, value in _flat(file)
                if key.startswith(CODE)
            }
        digests: dict[str, str] = {}
        for stage in self.stages.values():
            for point in stage.points:
                key = stage.code_key(point)
                if key not in digests:
                    digests[key] = self._digest(stage, point)
        return digests

    def _digest(self, stage: Stage, point: Point) -> str:
        roots = stage.roots(point)
        if stage.name == "fetch":
            return self._download(point["corpus"], roots)
        if stage.name == "checkpoint":  # likewise: what is asked for stands in params.yaml
            maker = self.params["checkpoints"][point["checkpoint"]].get("demo")
            return digest(MAKERS[maker]) if maker else "none"
        if (
            stage.name == "prepare" and point["corpus"] in self.own
        ):  # its annotations lie outside: what counts is what they say
            return f"{digest(*roots)}-{digest_of_values(self.own[point['corpus']].identity())}"
        return digest(*roots)

    @cached_property
    def own(self) -> dict[str, Annotations]:
        """What the annotations of one's own corpora say.

        Raises:
            CorpusError: a file is absent, or cannot be.
        """
        blocks = {name: self.params["corpora"][name] for name in self.params["run"]["corpora"]}
        named = {
            name: block["annotations"] for name, block in blocks.items() if block.get("annotations")
        }
        return {
            name: annotations.read(self.root / Path(path).expanduser())
            for name, path in named.items()
        }

    def folds(self, corpus: str, paper: str, protocol: str) -> int:
        """Folds of the split scheme that a protocol names, or, of one's own corpus, that follows from its annotations."""
        if corpus in self.own:
            return self.own[corpus].folds
        return schemes.folds(
            corpus, self.params["papers"][paper]["protocols"][protocol]["scheme"][corpus]
        )

    def _download(self, corpus: str, demo: list[str]) -> str:
        """What a fetch depends on: a demo corpus on the code that makes it, a download on what is asked for.

        A change to code must not download 10.9 GB again.
        """
        source = self.params["corpora"][corpus]["source"]
        if source == "demo":
            return digest(*demo)
        sources = corpora.load(corpus).SOURCES if source == "official" else ()
        return digest_of_values([each.identity() for each in sources])

    def write(self) -> bool:
        """Bring workflow/params, which DVC compares, and workflow/matrix.json up to date; return whether the latter changed.

        Each paper, and the frame sheets, get a folder, though it be empty: DVC refuses an absent dependency.

        Raises:
            ParamsError: a stage takes what nobody makes. Snakemake would not say so where a file of an earlier run lies there.
        """
        _ = self.graph
        for folder in COLLECTED:
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        files: dict[Path, dict[str, Any]] = {}
        for stage in self.stages.values():
            for point, (file, pattern) in itertools.product(stage.points, stage.keys):
                if file.parent == TAKEN:
                    key = pattern.format_map(point)
                    value = (
                        self.code[key.removeprefix(CODE)]
                        if key.startswith(CODE)
                        else lookup(self.values, key)
                    )
                    # a block as one line: dvc.lock holds it for each stage, and is written anew after each stage of `dvc repro`
                    one_line = (
                        json.dumps(value, sort_keys=True)
                        if isinstance(value, dict | list)
                        else value
                    )
                    files.setdefault(self.root / file, {})[key] = one_line
        for path, taken in files.items():
            text = json.dumps(_nested(taken), indent=1, sort_keys=True) + "\n"
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                path.parent.mkdir(exist_ok=True)
                path.unlink(missing_ok=True)  # it may be a read-only link into DVC's cache
                path.write_text(text, encoding="utf-8")
        for path in set((self.root / TAKEN).glob("*")) - set(files):
            path.unlink()
        return selection.write_matrix(self.root, self.axes)


if __name__ == "__main__":
    try:
        changed = Plan().write()
    except MerflowError as error:
        sys.exit(f"error: {error}")
    if changed:  # DVC has read dvc.yaml, and with it the axes, before this stage
        sys.exit(
            f"params.yaml asks for other stages than before; {MATRIX} is up to date now: start `dvc repro` again"
        )
