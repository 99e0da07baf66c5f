"""What made an artifact: a digest of exactly the code that a step reaches, and the versions of libraries.

Neither Snakemake nor DVC sees code behind an import. A stage of dvc.yaml therefore names the modules where its
code begins (``meta: code``), and what it depends on is one digest over everything that these import from merflow.
Comments, docstrings and formatting are no part of it: the digest is taken over syntax trees.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

PACKAGE = Path(__file__).parent

#: Modules that decide whether and how a step speaks, not what it makes. The values of parameters are tracked as
#: slices of params.yaml, so a new key of one paper must not make every other stage stale; registries likewise.
INERT = frozenset(
    {
        "merflow",
        "merflow.errors",
        "merflow.params",
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


@cache  # stages share most of what they reach
def imports(module: str) -> list[str]:
    """The merflow modules that `module` names in import statements, wherever in the file they stand."""
    named = _parsed(module)[0]
    return [name for name in named if name.split(".")[0] == "merflow" and _path(name)]


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """`node` and all statements in it, without their expressions, which are most of a tree."""
    yield node
    for block in ("body", "orelse", "finalbody", "handlers", "cases"):
        for one in getattr(node, block, ()):
            yield from _statements(one)


@cache
def _parsed(module: str) -> tuple[list[str], str]:
    """Parse a module: the names in its import statements, and its syntax tree without docstrings."""
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
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:]
    return names, ast.dump(tree)


def _inert(module: str) -> bool:
    return module in INERT or module.startswith("merflow.params.")


def closure(*roots: str) -> list[str]:
    """All modules that running `roots` may reach, the packages above them included, sorted; without INERT ones."""
    found: set[str] = set()
    todo = list(roots)
    while todo:
        module = todo.pop()
        if module in found:
            continue
        found.add(module)
        if not _inert(module):
            todo.extend(imports(module))
        if "." in module:
            todo.append(module.rpartition(".")[0])
    return sorted(module for module in found if not _inert(module))


def digest(*roots: str) -> str:
    """Content digest (16 hex digits) of the import closure of `roots`."""
    sha = hashlib.sha256()
    for module in closure(*roots):
        sha.update(f"{module}\n{_parsed(module)[1]}\n".encode())
    return sha.hexdigest()[:16]


def versions(*distributions: str) -> dict[str, str]:
    """Installed versions, for what is stored beside results."""
    return {name: metadata.version(name) for name in distributions}
