"""Rules of imports, read from the source with ast: down the layers, heavy libraries in few."""

import ast
import sys

import pytest

from merflow.provenance import PACKAGE, closure, imports

# Top to bottom; a module may import from its own room of a layer and from the layers below.
LAYERS = [
    {"start", "warm"},
    {"main"},
    {"cli", "status"},
    {
        "preflight",
        "stores",
        "custom_corpus",
        "predict",
        "kept_weights",
        "preconditions",
        "selection",
        "requirements",
        "origins",
    },
    {"tables", "evaluation", "training", "papers"},
    {"nn"},
    {"systems", "records"},
    {"features"},
    {"checkpoints"},
    {"corpora"},
    {"media"},
    {"store"},
    {
        "artifacts",
        "display",
        "documents",
        "presets",
        "params",
        "paths",
        "pointers",
        "errors",
        "provenance",
        "progress",
        "registry",
        "shards",
        "gpus",
        "usage",
    },
]
LEVEL = {name: level for level, layer in enumerate(LAYERS) for name in layer}
MODULES = sorted(
    ".".join(("merflow", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(
        ".__init__"
    )
    for path in PACKAGE.rglob("*.py")
)
HEAVY = {"torch", "transformers", "accelerate", "opensmile", "cv2", "av", "librosa"}
HEAVY_ALLOWED = {
    "merflow.predict",
    "merflow.training",
    "merflow.papers",
    "merflow.systems",
    "merflow.nn",
    "merflow.features",
    "merflow.media",
    "merflow.corpora.demo",
    "merflow.checkpoints.demo",
}


def part(module: str) -> str:
    return module.split(".")[1]


@pytest.mark.parametrize("module", [m for m in MODULES if m != "merflow"])
def test_imports_go_down(module):
    for imported in imports(module):
        if imported != "merflow":
            assert LEVEL[part(imported)] >= LEVEL[part(module)], (
                f"{module} imports {imported}, which lies above it"
            )


def third_party(module: str) -> set[str]:
    path = PACKAGE.parent.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("module", MODULES)
def test_heavy_libraries_stay_where_they_belong(module):
    if not module.startswith(tuple(HEAVY_ALLOWED)):
        assert not third_party(module) & HEAVY


@pytest.mark.parametrize(
    "module", [m for m in MODULES if m.startswith(("merflow.tables", "merflow.evaluation"))]
)
def test_tables_and_evaluation_reach_no_torch(module):
    reached = {library for name in closure(module) for library in third_party(name)}
    assert "torch" not in reached


@pytest.mark.parametrize("module", [m for m in MODULES if m.startswith("merflow.papers.")])
def test_papers_see_networks_and_systems_only(module):
    allowed = ("merflow", "merflow.nn", "merflow.papers", "merflow.systems")
    assert {name for name in imports(module) if not name.startswith("merflow.nn.")} <= set(allowed)


@pytest.mark.parametrize("module", [m for m in MODULES if m.startswith("merflow.training.")])
def test_training_knows_no_paper(module):
    assert not [name for name in imports(module) if name.startswith("merflow.papers")]


def everything(module: str, seen: set[str]) -> set[str]:
    """All modules of ours that `module` can reach; `closure` lacks those tracked by value."""
    if module not in seen:
        seen.add(module)
        for imported in imports(module):
            everything(imported, seen)
    return seen


def test_papers_and_the_loop_need_little_of_a_bare_gpu_machine():
    def needed(module: str) -> set[str]:
        return (
            {library for name in everything(module, set()) for library in third_party(name)}
            - sys.stdlib_module_names
            - {"merflow"}
        )

    papers = set().union(
        *(needed(module) for module in MODULES if module.startswith("merflow.papers."))
    )
    assert papers == {
        "torch",
        "numpy",
        "transformers",
        "sklearn",
        "scipy",
    }  # the last two: what is fitted to features
    loop = set().union(
        *(needed(f"merflow.training.{name}") for name in ("loop", "batches", "objectives"))
    )
    written = {"pandas", "pyarrow"}  # merflow.store writes the state whole
    late = {"ruamel"}  # where params.yaml itself is read, which no job does
    assert loop == {"torch", "numpy", "accelerate", "pydantic", "yaml", "rich"} | written | late


def test_no_module_is_longer_than_400_lines():
    long = {
        m: n
        for m in PACKAGE.rglob("*.py")
        if (n := len(m.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert not long


def test_closure_follows_imports_and_leaves_others_out():
    reached = closure("merflow.evaluation.score")
    assert {"merflow.evaluation.metrics", "merflow.artifacts", "merflow.store"} <= set(reached)
    beyond = [
        name
        for name in reached
        if name.startswith(("merflow.training", "merflow.papers", "merflow.corpora"))
    ]
    assert beyond == [
        "merflow.corpora.catalogue",
        "merflow.corpora.labels",
        "merflow.corpora.schemes",
    ]
