"""Path grammar: names are read from paths, and inputs are asked for by name."""

import ast
from pathlib import Path

import pytest
import yaml
from support import ROOT

from merflow import paths
from merflow.errors import ParamsError
from merflow.paths import Inputs

FILES = [
    "data/raw/meld/SOURCE.json",
    "data/corpora/meld/utterances.parquet",
    "data/corpora/meld/clips.parquet",
    "data/corpora/meld/splits.parquet",
    "data/corpora/meld/defects.csv",
    "data/checkpoints/bert/SOURCE.json",
    "data/media/meld/audio/INDEX.json",
    "data/media/meld/frames_15/INDEX.json",
    "data/features/meld/is13.parquet",
    "results/joint_cnn/text_lstm/meld-as_published/predictions.parquet",
    "results/scores/scores.json",
    "results/tables/index.json",
    "results/sheets/weighted_late_fusion/meld/sheet.json",
    "reported/joint_cnn.csv",
]
INPUTS = Inputs.of(map(Path, FILES))


@pytest.mark.parametrize(
    ("pattern", "path", "names"),
    [
        (
            paths.RESULT,
            "/elsewhere/results/joint_cnn/text_lstm/meld-as_published",
            {
                "paper": "joint_cnn",
                "system": "text_lstm",
                "corpus": "meld",
                "protocol": "as_published",
            },
        ),
        (paths.FEATURE, "data/features/meld/bert.parquet", {"corpus": "meld", "feature": "bert"}),
        (paths.RAW, "data/raw/${item.corpus}", {"corpus": "${item.corpus}"}),
        (paths.SCORES, "results/scores", {}),
        (paths.RAW, "data/corpora/meld", None),
        (paths.RESULT, "results/sheets/weighted_late_fusion/meld", None),
    ],
)
def test_names_are_read_from_the_end_of_a_path(pattern, path, names):
    assert paths.names(pattern, path) == names


def test_the_name_of_a_result_does_not_depend_on_the_checkout():
    name = "results/joint_cnn/text_lstm/meld-as_published"
    assert paths.result_name(Path("/elsewhere") / name) == name
    assert paths.result_name(Path("/elsewhere/joint_cnn/text_lstm/meld-as_published")) == name


def test_inputs_are_asked_for_by_name():
    prepared, result = (
        Path("data/corpora/meld"),
        Path("results/joint_cnn/text_lstm/meld-as_published"),
    )
    assert INPUTS.raw == Path("data/raw/meld")
    assert INPUTS.corpora == [prepared] and INPUTS.corpus == prepared
    assert (INPUTS.utterances.name, INPUTS.splits.name) == (paths.UTTERANCES, paths.SPLITS)
    assert INPUTS.clips.name == paths.CLIPS
    assert INPUTS.checkpoint == Path("data/checkpoints/bert") and INPUTS.has_checkpoint
    assert INPUTS.media["audio"] == Path("data/media/meld/audio")
    assert INPUTS.frames == INPUTS.store("frames_15") == Path("data/media/meld/frames_15")
    assert INPUTS.feature == INPUTS.store("is13") == Path("data/features/meld/is13.parquet")
    assert INPUTS.results == [result]
    assert INPUTS.members["text_lstm"] == INPUTS.result_on("meld") == result
    assert INPUTS.scores == Path("results/scores")
    assert INPUTS.tables == Path("results/tables")
    assert INPUTS.sheets == [Path("results/sheets/weighted_late_fusion/meld")]
    assert INPUTS.reported == Path("reported")


@pytest.mark.parametrize(
    ("ask", "missing"),
    [
        (lambda inputs: inputs.utterances, "data/corpora/<corpus>/utterances.parquet"),
        (lambda inputs: inputs.raw, "data/raw/<corpus>"),
        (lambda inputs: inputs.checkpoint, "data/checkpoints/<checkpoint>"),
        (lambda inputs: inputs.media["audio"], "data/media/<corpus>/audio"),
        (lambda inputs: inputs.frames, "data/media/<corpus>/frames_<sampling>"),
        (lambda inputs: inputs.store("mel"), "data/features/<corpus>/mel.parquet"),
        (lambda inputs: inputs.members["late"], "results/<paper>/late/<corpus>-<protocol>"),
        (lambda inputs: inputs.result_on("meld"), "results/<paper>/<system>/meld-<protocol>"),
        (lambda inputs: inputs.scores, "results/scores"),
    ],
)
def test_an_input_that_a_stage_lacks_is_one_line(ask, missing):
    message = f"dvc.yaml: this stage has no {missing}; add it to its dependencies"
    with pytest.raises(ParamsError) as error:
        ask(Inputs.of([]))
    assert str(error.value) == message


def test_every_output_of_dvc_yaml_fits_the_grammar():
    patterns = [
        *(paths.RAW, paths.CHECKPOINT, paths.MEDIUM, paths.FEATURE, paths.RESULT),
        *(paths.SCORES, paths.TABLES, paths.SHEET, paths.REPORT),
        *(
            f"{paths.CORPUS}/{name}"
            for name in (paths.UTTERANCES, paths.CLIPS, paths.SPLITS, paths.DEFECTS)
        ),
        f"{Path(paths.MEDIUM).parent}/{paths.DEFECTS}",
    ]
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    for name, stage in stages.items():
        for out in stage.get("do", stage)["outs"]:
            if name != "code":
                assert any(paths.names(pattern, out) is not None for pattern in patterns), out


def test_names_of_files_are_written_in_one_module():
    names = [value for name, value in vars(paths).items() if name.isupper() and "." in value]
    names = [name for name in names if "/" not in name and name != paths.REPORT_INDEX]
    modules = [*ROOT.glob("src/merflow/**/*.py"), *ROOT.glob("workflow/lib/*.py")]
    for module in modules:
        if module.name != "paths.py":
            literals = [
                node.value
                for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
            ]
            written = {name for name in names if name in literals}
            assert not written, f"{module}: use merflow.paths for {', '.join(sorted(written))}"
