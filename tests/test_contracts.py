"""Every registered corpus, extractor and paper keeps its contract, and the lists that must agree do."""

import inspect
import json
from importlib import import_module
from typing import get_args

import pytest
import yaml
from support import ROOT

from merflow import params, warm
from merflow.checkpoints.demo import MAKERS
from merflow.corpora import labels, load, schemes
from merflow.media.frames import SAMPLINGS
from merflow.params.base import KnownCorpus
from merflow.params.systems import SchemeName
from merflow.provenance import versions
from merflow.registry import CORPORA, EXTRACTORS, PAPERS
from merflow.selection import MATRIX, axes
from merflow.systems import Fusion

PAPER_PRESET = yaml.safe_load((ROOT / "params/paper.yaml").read_text(encoding="utf-8"))
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


@pytest.mark.parametrize("name", CORPORA)
def test_corpus_says_what_it_is_and_how_to_get_it(name):
    corpus = load(name)
    assert corpus.__doc__ and len(corpus.TITLE) > 5 and len(corpus.LICENCE) > 2
    assert f"corpora.{name}.source" in corpus.HOW_TO_GET or "source" in corpus.HOW_TO_GET
    assert set(labels.CLASSES[name]), "classes in corpora/labels.py"
    assert len(set(labels.CLASSES[name])) == len(labels.CLASSES[name])
    assert corpus.EXPECTED
    for scheme in corpus.SCHEMES:
        assert schemes.folds(name, scheme) >= 1
        assert scheme in get_args(SchemeName)
    for source in corpus.SOURCES:
        assert source.url.startswith(("http://", "https://", "hf://")) and source.name
    assert list(inspect.signature(corpus.read_utterances).parameters) == ["root"]


@pytest.mark.parametrize("name", EXTRACTORS)
def test_extractor_has_a_modality_and_a_params_block(name):
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


@pytest.mark.parametrize("name", PAPERS)
def test_paper_names_its_differences_and_builds_every_system_of_params(name):
    paper = import_module(PAPERS[name])
    assert "Differences from the paper" in (paper.__doc__ or "")
    assert set(PAPER_PRESET["papers"][name]["systems"]) == set(paper.SYSTEMS)


def test_papers_params_reported_numbers_and_stages_are_the_same_set():
    assert set(PAPERS) == set(params.PapersParams.model_fields) == set(PAPER_PRESET["papers"])
    assert set(PAPERS) == {path.stem for path in (ROOT / "reported").glob("*.csv")}
    assert set(PAPERS) == {path.stem for path in (ROOT / "src/merflow/papers").glob("[!_]*.py")}
    assert set(PAPERS) == {
        stage.removesuffix(f"_{name}") for stage in STAGES for name in stages_of(stage)
    }


def stages_of(stage: str) -> list[str]:
    """The name under run.<paper> that a stage of a paper has."""
    return [
        stage.removeprefix(f"{paper}_")
        for paper in params.PapersParams.model_fields
        if stage.startswith(f"{paper}_")
    ]


@pytest.mark.parametrize("paper", PAPERS)
def test_stages_of_a_paper_are_those_of_run_and_their_inputs_those_of_its_systems(paper):
    asked = {
        name: rows for name, rows in PAPER_PRESET["run"][paper].items() if isinstance(rows, dict)
    }
    assert set(asked) == {
        name for stage in STAGES for name in stages_of(stage) if stage.startswith(f"{paper}_")
    }
    systems = import_module(PAPERS[paper]).SYSTEMS
    assert sorted(name for rows in asked.values() for name in rows["systems"]) == sorted(systems)
    for name, rows in asked.items():
        stage = STAGES[f"{paper}_{name}"]
        matrix = {"corpus": "corpora", "protocol": "protocols", "system": "systems"}
        assert stage["matrix"] == {
            axis: f"${{axes.papers.{paper}.{name}.{values}}}" for axis, values in matrix.items()
        }
        for row in map(systems.get, rows["systems"]):
            wanted = {
                "data/corpora/${item.corpus}/utterances.parquet",
                "data/corpora/${item.corpus}/splits.parquet",
            }
            wanted |= {
                f"results/{paper}/{member}/${{item.corpus}}-${{item.protocol}}"
                for member in row.members
            }
            if not isinstance(row, Fusion):
                features = PAPER_PRESET["papers"][paper].get("features", {})
                pictures = [one for one in row.inputs if one in SAMPLINGS]
                wanted |= {f"data/media/${{item.corpus}}/{one}" for one in pictures}
                held = [one for one in row.inputs if one != "tokens" and one not in pictures]
                named = {
                    one: f"${{papers.{paper}.features.{one}}}" if one in features else one
                    for one in held
                }
                wanted |= {
                    f"data/features/${{item.corpus}}/{one}.parquet" for one in named.values()
                }
                wanted |= (
                    {path for path in stage["deps"] if path.startswith("data/checkpoints/")}
                    if row.pretrained
                    else set()
                )
                assert row.pretrained == any(
                    path.startswith("data/checkpoints/") for path in stage["deps"]
                )
            assert set(stage["deps"]) == wanted
    assert (
        f"papers.{paper}.protocols" in STAGES["score"]["params"][0]["workflow/params/tables.json"]
    )
    assert f"results/{paper}" in set(STAGES["score"]["deps"]) & set(STAGES["report"]["deps"])


def test_registries_and_parameters_name_the_same_corpora_and_checkpoints():
    assert set(CORPORA) == set(get_args(KnownCorpus)) == set(labels.CLASSES)
    assert set(MAKERS) == set(
        get_args(get_args(params.CheckpointParams.model_fields["demo"].annotation)[0])
    )


def test_every_feature_is_made_by_one_stage_of_its_group():
    run = PAPER_PRESET["run"]
    grouped = [feature for group in run["features"].values() for feature in group["features"]]
    assert sorted(grouped) == sorted(EXTRACTORS) == sorted(params.FeaturesParams.model_fields)
    for group in run["features"]:
        stage = STAGES[f"extract_{group}"]
        assert stage["matrix"] == {
            "corpus": f"${{axes.features.{group}.corpora}}",
            "feature": f"${{axes.features.{group}.features}}",
        }
        checkpoints = [path for path in stage["deps"] if path.startswith("data/checkpoints/")]
        assert checkpoints == (
            [f"data/checkpoints/{group}"] if group in PAPER_PRESET["checkpoints"] else []
        )
    assert axes(PAPER_PRESET, STAGES)["checkpoints"] == list(PAPER_PRESET["checkpoints"])


def test_rules_subcommands_and_stages_have_the_same_names():
    from merflow.cli import app

    commands = {
        command.name or command.callback.__name__ for command in app.registered_commands
    } - {
        "params",
        "status",
        "stores",
        "own",
        "predict",
    }
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
    assert used - {"workflow/lib/stages.py"} == rules


def test_every_stage_depends_on_one_digest_of_code_and_stages_that_share_it_begin_in_the_same_modules():
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
    asked = axes(yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8")), STAGES)
    committed = json.loads((ROOT / MATRIX).read_text(encoding="utf-8"))
    assert committed == {"axes": asked}, "python workflow/lib/stages.py writes it"
    assert list(committed["axes"]["papers"]) == sorted(
        asked["papers"]
    )  # whoever writes it, in whatever order params.yaml came
