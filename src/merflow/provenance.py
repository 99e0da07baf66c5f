"""Provenance of an artifact: digest of its code, and versions of libraries.

Neither Snakemake nor DVC sees code behind an import. A stage of dvc.yaml therefore names the
modules where its code begins (``meta: code``). It depends on one digest over all that these modules
import from merflow. The digest is taken over syntax trees: comments, docstrings and formatting do
not count.
"""

import ast
import hashlib
import json
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from merflow.errors import ParamsError

PACKAGE = Path(__file__).parent
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef

#: Modules that change no result. Values of parameters are tracked as slices of params.yaml: a new
#: key of one paper must not make the stages of all others stale. The same holds for registries.
#: Paths are declared in dvc.yaml.
INERT = frozenset(
    {
        "merflow",
        "merflow.errors",
        "merflow.params",
        "merflow.paths",
        "merflow.progress",
        "merflow.provenance",
        "merflow.checkpoints",
        "merflow.checkpoints.demo",
        "merflow.corpora",
        "merflow.features",
        "merflow.papers",
        "merflow.registry",
    }
)


@cache
def _path(module: str) -> Path | None:
    base = PACKAGE.parent.joinpath(*module.split("."))
    candidates = (base / "__init__.py", base.with_suffix(".py"))
    return next((path for path in candidates if path.is_file()), None)


@cache  # stages share most modules
def imports(module: str) -> list[str]:
    """The merflow modules in import statements of `module`, wherever in the file these stand."""
    names = _parsed(module).imports
    return [name for name in names if name.split(".")[0] == "merflow" and _path(name)]


def constant(module: str, name: str, **names: Any) -> Any:
    """Compute a constant of a module from its assignments, without the imports of the module.

    Args:
        module: name of the module.
        name: of the constant.
        names: what its assignments use besides builtins and other constants of the module.

    Raises:
        ParamsError: the module has no constant of this name.
    """
    constants = _parsed(module).constants
    if name not in constants:
        raise ParamsError(f"{module}: no constant {name}; add `{name} = ...` to the module")
    expression = constants[name]
    words = {node.id for node in ast.walk(expression) if isinstance(node, ast.Name)}
    values = {word: constant(module, word, **names) for word in words & set(constants)}
    return eval(compile(ast.Expression(expression), module, "eval"), names | values)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """`node` and all statements in it, without their expressions, which are most of a tree."""
    yield node
    for block in ("body", "orelse", "finalbody", "handlers", "cases"):
        for statement in getattr(node, block, ()):
            yield from _statements(statement)


class _Parsed(NamedTuple):
    """Facts read from the syntax tree of a module.

    Attributes:
        imports: names in import statements.
        constants: expressions that are assigned to names of the module.
        code: the tree without docstrings.
    """

    imports: list[str]
    constants: dict[str, ast.expr]
    code: str


@cache
def _parsed(module: str) -> _Parsed:
    path = _path(module)
    if path is None:
        raise ModuleNotFoundError(f"{module}: no such module below {PACKAGE}")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names: list[str] = []
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    constants = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    return _Parsed(names, constants, ast.dump(tree))


def _inert(module: str) -> bool:
    return module in INERT or module.startswith("merflow.params.")


def closure(*roots: str) -> list[str]:
    """Modules that `roots` may reach and the packages above them, sorted, without INERT."""
    reached: set[str] = set()
    todo = list(roots)
    while todo:
        module = todo.pop()
        if module in reached:
            continue
        reached.add(module)
        if not _inert(module):
            todo.extend(imports(module))
        if "." in module:
            todo.append(module.rpartition(".")[0])
    return sorted(module for module in reached if not _inert(module))


def digest(*roots: str) -> str:
    """Digest (16 hex digits) of the code that `roots` reach."""
    sha = hashlib.sha256()
    for module in closure(*roots):
        sha.update(f"{module}\n{_parsed(module).code}\n".encode())
    return sha.hexdigest()[:16]


def digest_of_values(values: Any) -> str:
    """Digest (16 hex digits) of plain values, as canonical JSON."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def versions(*distributions: str) -> dict[str, str]:
    """Installed versions, to be stored beside results."""
    return {name: metadata.version(name) for name in distributions}
