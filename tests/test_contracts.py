"""Contracts of every registered corpus, extractor and paper; lists that must agree do."""

import inspect
import json
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import get_args

import pytest
import yaml
from digests import official_sources
from support import ROOT

from merflow import params, paths, warm
from merflow.checkpoints.demo import MAKERS
from merflow.corpora import labels, load, schemes
from merflow.corpora.catalogue import CATALOGUE
from merflow.evaluation.metrics import BINARY_METRICS, METRICS
from merflow.media.frames import SAMPLINGS
from merflow.params.systems import SchemeName
from merflow.provenance import closure, constant, versions
from merflow.registry import CORPORA, EXTRACTORS, PAPERS
from merflow.selection import MATRIX, axes, stages_at
from merflow.systems import Fusion, OffTheShelf, System
from merflow.tables import measures

PAPER_PRESET = yaml.safe_load((ROOT / "params/paper.yaml").read_text(encoding="utf-8"))
STAGES = stages_at(ROOT)


@pytest.mark.parametrize("name", CORPORA)
def test_corpus_has_a_title_a_licence_and_sources(name):
    corpus = load(name)
    assert corpus.__doc__ and len(corpus.TITLE) > 5 and len(corpus.LICENCE) > 2
    assert f"corpora.{name}.source" in corpus.HOW_TO_GET or "source" in corpus.HOW_TO_GET
    assert set(labels.CLASSES[name]), "classes in corpora/labels.py"
    assert len(set(labels.CLASSES[name])) == len(labels.CLASSES[name])
    assert corpus.EXPECTED
    for scheme in CATALOGUE[name].schemes:
        assert schemes.folds(name, scheme) >= 1
        assert scheme in get_args(SchemeName)
    assert official_sources(name) == corpus.SOURCES, "SOURCES must not use imports but Source"
    for source in corpus.SOURCES:
        assert source.url.startswith(("http://", "https://", "hf://")) and source.name
    assert list(inspect.signature(corpus.read_utterances).parameters) == ["root"]


@pytest.mark.parametrize("name", EXTRACTORS)
def test_extractor_has_the_names_of_its_interface(name):
    extractor = import_module(EXTRACTORS[name])
    assert extractor.__doc__ and extractor.extract.__doc__
    assert list(inspect.signature(extractor.extract).parameters) == [
        "blocks",
        "params",
        "checkpoint",
    ]
    assert list(inspect.signature(extractor.columns).parameters) == ["params", "checkpoint"]
    assert params.FeaturesParams.model_fields[name].annotation is extractor.PARAMS
    assert versions(*extractor.LIBRARIES)
    assert constant(EXTRACTORS[name], "USES_GPU") is extractor.USES_GPU
    assert isinstance(extractor.USES_GPU, bool)


@pytest.mark.parametrize("name", PAPERS)
def test_paper_lists_its_differences(name):
    doc = import_module(PAPERS[name]).__doc__ or ""
    assert "Differences from the paper" in doc or f"reported/{name}.deviations.yaml" in doc


def same_names(places: dict[str, Iterable[str]]) -> None:
    """Refuse a name that one of the places lacks; braces in a place stand for the name."""
    names_of = {place: set(names) for place, names in places.items()}
    missing = [
        f"{place.format(name)}: {name} is missing"
        for place, names in names_of.items()
        for name in sorted(set().union(*names_of.values()) - names)
    ]
    assert not missing, "; ".join(missing)


def modules(folder: str) -> set[str]:
    """Names of the modules in a folder of src/merflow."""
    return {path.stem for path in (ROOT / "src/merflow" / folder).glob("[a-z]*.py")}


def test_corpora_have_the_same_names_everywhere():
    same_names(
        {
            "src/merflow/registry.py": CORPORA,
            "src/merflow/corpora/{}.py": modules("corpora") & {*CORPORA, *CATALOGUE},
            "src/merflow/corpora/catalogue.py": CATALOGUE,
            "params/paper.yaml (corpora)": PAPER_PRESET["corpora"],
            "params/paper.yaml (run.shards)": PAPER_PRESET["run"]["shards"],
        }
    )


def test_papers_have_the_same_names_everywhere():
    run = PAPER_PRESET["run"]
    protocols = STAGES["score"]["params"][0]["workflow/params/tables.json"]
    with_params = params.PapersParams.model_fields
    same_names(
        {
            "src/merflow/papers/{}.py": PAPERS,
            "src/merflow/params/{}.py": with_params,
            "params/paper.yaml (papers)": PAPER_PRESET["papers"],
            "params/paper.yaml (run)": set(run) - {"corpora", "papers", "shards", "features"},
            "params/paper.yaml (run.papers)": run["papers"],
            "reported/{}.csv": {path.stem for path in (ROOT / "reported").glob("*.csv")},
            "dvc.yaml (stages)": {
                stage.removesuffix(f"_{name}") for stage in STAGES for name in stages_of(stage)
            },
            "dvc.yaml (score, deps)": results_among(STAGES["score"]["deps"]),
            "dvc.yaml (score, params)": {
                key.split(".")[1] for key in protocols if key.startswith("papers.")
            },
            "dvc.yaml (report, deps)": results_among(STAGES["report"]["deps"]),
        }
    )


def results_among(deps: list[str]) -> set[str]:
    """Papers whose results a stage takes."""
    folders = {path.removeprefix("results/") for path in deps if path.startswith("results/")}
    return folders - {"tables", "sheets"}


@pytest.mark.parametrize("paper", PAPERS)
def test_systems_have_the_same_names_everywhere(paper):
    run = PAPER_PRESET["run"].get(paper, {})
    groups = [group["systems"] for group in run.values() if isinstance(group, dict)]
    block = params.PapersParams.model_fields[paper].annotation.model_fields["systems"]
    same_names(
        {
            f"src/merflow/papers/{paper}.py": import_module(PAPERS[paper]).SYSTEMS,
            f"src/merflow/params/{paper}.py": block.annotation.model_fields,
            f"params/paper.yaml (papers.{paper})": PAPER_PRESET["papers"][paper]["systems"],
            f"params/paper.yaml (run.{paper})": [name for group in groups for name in group],
        }
    )


def test_features_have_the_same_names_everywhere():
    groups = PAPER_PRESET["run"]["features"].values()
    grouped = [feature for group in groups for feature in group["features"]]
    assert len(grouped) == len(set(grouped)), "params/paper.yaml (run.features): in two groups"
    same_names(
        {
            "src/merflow/registry.py": EXTRACTORS,
            "src/merflow/params/features.py": params.FeaturesParams.model_fields,
            "params/paper.yaml (features)": PAPER_PRESET["features"],
            "params/paper.yaml (run.features)": grouped,
        }
    )
    for name, module in EXTRACTORS.items():
        path = Path("src", *module.split(".")).with_suffix(".py")
        assert (ROOT / path).exists(), f"{path}: {name} is missing"


def test_metrics_have_the_same_names_everywhere():
    same_names(
        {
            "src/merflow/evaluation/metrics.py": {*METRICS, *BINARY_METRICS},
            "src/merflow/tables/measures.py (HEADERS)": measures.HEADERS,
            "src/merflow/tables/measures.py (FORMULAS)": {
                *measures.FORMULAS,
                *measures.BINARY_FORMULAS,
            },
        }
    )


def test_the_step_tables_reaches_every_module_of_tables():
    import_module("merflow.tables.compare")
    reached = set(closure("merflow.tables.compare", "merflow.tables.report"))
    reached |= set(closure("merflow.tables.frame_sheet"))
    unused = {f"merflow.tables.{name}" for name in modules("tables")} - reached
    assert not unused, f"src/merflow/tables/compare.py: {', '.join(sorted(unused))} is missing"


def stages_of(stage: str) -> list[str]:
    """Name under run.<paper> of a stage of a paper."""
    return [
        stage.removeprefix(f"{paper}_")
        for paper in params.PapersParams.model_fields
        if stage.startswith(f"{paper}_")
    ]


@pytest.mark.parametrize("paper", PAPERS)
def test_stages_of_a_paper_are_the_ones_of_run_with_their_inputs(paper):
    run = PAPER_PRESET["run"][paper]
    groups = {name: group for name, group in run.items() if isinstance(group, dict)}
    assert set(groups) == {
        name for stage in STAGES for name in stages_of(stage) if stage.startswith(f"{paper}_")
    }
    systems = import_module(PAPERS[paper]).SYSTEMS
    for name, group in groups.items():
        stage = STAGES[f"{paper}_{name}"]
        axes = {"corpus": "corpora", "protocol": "protocols", "system": "systems"}
        assert stage["matrix"] == {
            axis: f"${{axes.papers.{paper}.{name}.{values}}}" for axis, values in axes.items()
        }
        for system in group["systems"]:
            assert set(stage["deps"]) == inputs_of(paper, systems[system], stage["deps"]), system


def inputs_of(paper: str, system: System | Fusion | OffTheShelf, deps: list[str]) -> set[str]:
    """Dependencies that the stage of a system needs; of checkpoints any, if it needs one."""
    item = {"corpus": "${item.corpus}", "protocol": "${item.protocol}"}
    prepared = paths.CORPUS.format(**item)
    inputs = {f"{prepared}/{paths.UTTERANCES}", f"{prepared}/{paths.SPLITS}"}
    inputs |= {paths.RESULT.format(paper=paper, system=name, **item) for name in system.members}
    if isinstance(system, Fusion):
        return inputs
    features = PAPER_PRESET["papers"][paper].get("features", {})
    for name in system.inputs:
        if name in SAMPLINGS:
            inputs.add(paths.MEDIUM.format(medium=name, **item))
        elif name != "tokens":
            feature = f"${{papers.{paper}.features.{name}}}" if name in features else name
            inputs.add(paths.FEATURE.format(feature=feature, **item))
    checkpoints = {path for path in deps if paths.names(paths.CHECKPOINT, path)}
    assert system.pretrained == bool(checkpoints)
    return inputs | checkpoints


def test_demo_checkpoints_have_the_same_names():
    assert set(MAKERS) == set(
        get_args(get_args(params.CheckpointParams.model_fields["demo"].annotation)[0])
    )


def test_every_feature_is_made_by_one_stage_of_its_group():
    for group in PAPER_PRESET["run"]["features"]:
        stage = STAGES[f"extract_{group}"]
        assert stage["matrix"] == {
            "corpus": f"${{axes.features.{group}.corpora}}",
            "feature": f"${{axes.features.{group}.features}}",
        }
        checkpoint = paths.CHECKPOINT.format(checkpoint=group)
        assert [path for path in stage["deps"] if paths.names(paths.CHECKPOINT, path)] == (
            [checkpoint] if group in PAPER_PRESET["checkpoints"] else []
        )
    assert axes(PAPER_PRESET, STAGES)["checkpoints"] == list(PAPER_PRESET["checkpoints"])


def test_rules_subcommands_and_stages_have_the_same_names():
    from merflow.cli import app

    names = {command.name or command.callback.__name__ for command in app.registered_commands}
    commands = names - {"params", "status", "stores", "own", "predict"}
    rules = {
        line.split()[1].rstrip(":")
        for path in (ROOT / "workflow/rules").glob("*.smk")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith("rule ")
    }
    assert commands == rules == set(warm.MODULES)
    used = {
        word for stage in STAGES.values() for word in stage["cmd"].partition("--")[0].split()[1:]
    }
    assert used - {"workflow/lib/plan.py"} == rules


def test_stages_with_one_code_digest_begin_in_the_same_modules():
    roots: dict[str, list[str]] = {}
    for stage in (stage for name, stage in STAGES.items() if name != "code"):
        (key,) = [
            key.removeprefix("code.")
            for key in next(iter(stage["params"][0].values()))
            if key.startswith("code.")
        ]
        assert stage["meta"].get("code", []) == roots.setdefault(key, stage["meta"].get("code", []))
    assert sorted(key for key in roots if key.startswith("papers.")) == sorted(
        f"papers.{paper}" for paper in PAPERS
    )


def test_the_matrix_that_dvc_reads_is_what_params_yaml_asks_for():
    params_yaml = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    selected = axes(params_yaml, STAGES)
    committed = json.loads((ROOT / MATRIX).read_text(encoding="utf-8"))
    assert committed == {"axes": selected}, "python workflow/lib/plan.py writes it"
    # in the same order, whatever writes it, and whatever the order in params.yaml
    assert list(committed["axes"]["papers"]) == sorted(selected["papers"])
