"""A stage of dvc.yaml as Snakemake sees it: ``${item.x}`` is the wildcard ``{x}``.

A stage's ``meta`` says two things that DVC has no word for. ``code`` lists the modules where its
code begins. ``marker`` is the file that stands for a directory output, whose content Snakemake
cannot compare.
"""

import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import parameter_files

from merflow import registry
from merflow.errors import ParamsError

if TYPE_CHECKING:
    from plan import Plan

REGISTRIES: dict[str, Callable[[str], str]] = {
    "merflow.corpora": registry.corpus_module,
    "merflow.features": registry.EXTRACTORS.__getitem__,
    "merflow.papers": registry.PAPERS.__getitem__,
}
Point = Mapping[str, str]


def lookup(values: Any, key: str) -> Any:
    """Value at a dotted key.

    Raises:
        ParamsError: no value is there.
    """
    try:
        return reduce(lambda node, name: node[name], key.split("."), values)
    except (KeyError, TypeError):
        raise ParamsError(
            f"params.yaml: {key}: missing, and a stage of dvc.yaml asks for it"
        ) from None


def point_of(wildcards: Any) -> dict[str, str]:
    """Snakemake's wildcards, or a point of a matrix, as a plain dictionary."""
    return dict(wildcards.items())


class Stage:
    """A stage of dvc.yaml with its matrix of points (values of wildcards)."""

    def __init__(self, name: str, spec: dict[str, Any], plan: "Plan"):
        """Args: name, spec: key and value in dvc.yaml. plan: all stages."""
        self.name, self.spec, self.plan = name, spec, plan

    @cached_property
    def keys(self) -> list[tuple[Path, str]]:
        """Patterns of the keys of its parameters, each with the file where DVC finds it."""
        return [
            (Path(file), self._pattern(key))
            for entry in self.spec["params"]
            for file, keys in entry.items()
            for key in keys
        ]

    @cached_property
    def outs(self) -> list[str]:
        """Patterns of its outputs as Snakemake makes them.

        An output is a file, or the marker of a folder.
        """
        marker = self.spec.get("meta", {}).get("marker")
        outs = self._entries("outs")
        return [path if Path(path).suffix else f"{path}/{marker}" for path in outs]

    def out(self, name: str) -> str:
        """Pattern of the output in which `name` is a file or a folder."""
        (path,) = [path for path in self.outs if name in Path(path).parts]
        return path

    @cached_property
    def points(self) -> list[Point]:
        """Values of the wildcards of each DVC stage ``name@a-b``.

        An item of ``foreach`` also names the user's files of the stage.
        """
        if "foreach" in self.spec:
            return list(lookup(self.plan.values, self.spec["foreach"][2:-1]).values())
        axes: dict[str, list[str]] = {}
        for axis, values in self.spec.get("matrix", {}).items():
            reference = re.fullmatch(r"\$\{([\w.]+)\}", values) if isinstance(values, str) else None
            axes[axis] = lookup(self.plan.values, reference[1]) if reference else values
        combinations = itertools.product(*axes.values())
        return [dict(zip(axes, combination, strict=True)) for combination in combinations]

    def address(self, point: Point) -> str:
        """DVC's name of the stage at a point; wildcards that are no axis are ignored."""
        axes = self.axes
        return f"{self.name}@{'-'.join(point[axis] for axis in axes)}" if axes else self.name

    @cached_property
    def axes(self) -> list[str]:
        """Wildcards in DVC's name of the stage."""
        if "foreach" in self.spec:
            return re.findall(r"{(\w+)}", self.outs[0])
        return list(self.spec.get("matrix", {}))

    def code_key(self, point: Point) -> str:
        """Key of the digest of its code.

        Stages that reach the same code share a key.
        """
        (key,) = [key for _, key in self.keys if key.startswith(parameter_files.CODE)]
        return key.removeprefix(parameter_files.CODE).format_map(point)

    def roots(self, point: Point) -> list[str]:
        """Modules where its code begins; ``merflow.papers:x`` is looked up in that registry."""
        roots = []
        for entry in self.spec.get("meta", {}).get("code", []):
            package, _, key = self._pattern(entry).format_map(point).partition(":")
            roots.append(REGISTRIES[package](key) if key else package)
        return roots

    def data(self, wildcards: Any) -> list[str]:
        """Input files: artifacts, all artifacts below a folder, or files of the repository.

        Raises:
            ParamsError: a dependency is not made by any stage.
        """
        point = self._complete(point_of(wildcards))
        inputs: list[str] = []
        for pattern in self._entries("deps"):
            path = pattern.format_map(point)
            files = self.plan.files_at(path)
            if files is None:
                raise ParamsError(
                    f"{self.address(point)}: takes {path}, which nothing in run (params.yaml)"
                    " makes, and which is not a file of the repository; ask for it in run, or"
                    " remove from run what takes it"
                )
            inputs += files
        return inputs

    def cfg(self, wildcards: Any) -> str:
        """Slice of params.yaml, digests of code and of the user's files, as canonical JSON.

        Besides its inputs this is the only trigger of a rule.
        """
        point = point_of(wildcards)
        keys = [key.format_map(point) for _, key in self.keys]
        keys = [key for key in keys if not key.startswith(parameter_files.CODE)]
        values = {key: lookup(self.plan.values, key) for key in keys}
        values["code"] = self.plan.code[self.code_key(point)]
        if files := self.plan.files_digest(self, point):
            values["files"] = files
        return json.dumps(values, sort_keys=True)

    def _complete(self, point: Point) -> Point:
        """Add the user's files to wildcards of Snakemake."""
        if "foreach" not in self.spec:
            return point
        return next(item for item in self.points if all(item[a] == point[a] for a in self.axes))

    def _entries(self, section: str) -> Iterator[str]:
        for entry in self.spec.get(section, []):
            yield self._pattern(entry)

    def _pattern(self, entry: str) -> str:
        """``${item.x}`` as the wildcard ``{x}``, another ``${key}`` as its value in params.yaml."""
        pattern = re.sub(r"\$\{item\.(\w+)\}", r"{\1}", entry)
        return re.sub(
            r"\$\{([\w.]+)\}", lambda match: str(lookup(self.plan.values, match[1])), pattern
        )
