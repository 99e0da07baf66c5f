"""`merflow predict` without a model: models that can predict, and why others cannot."""

import json
import shutil
from pathlib import Path

import pytest
from support.custom_clips import SYSTEMS
from typer.testing import CliRunner

from merflow.cli import app
from merflow.errors import ParamsError
from merflow.predict.listing import list_models, show_models

FUSION = "results/joint_cnn/unimodal_weighted/mine-clean"
MEMBERS = ("text_lstm", "speech_cnn")


@pytest.fixture
def checkout(project, tmp_path, monkeypatch):
    """Copy of the results of the project, as the working directory."""
    for path in project.glob("results/*/*/mine-clean"):
        shutil.copytree(path, tmp_path / path.relative_to(project))
    (tmp_path / "data").symlink_to(project / "data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def listed():
    rows = list_models(Path(), Path("data/checkpoints"))
    return {row.model: row for row in rows}


def test_all_models_with_weights_can_predict(checkout):
    rows = listed()
    assert len(rows) == len(SYSTEMS)
    assert all(row.problem is None for row in rows.values())
    fusion = rows[FUSION]
    assert fusion.corpus == "mine (folder)"
    assert fusion.protocol == "clean"
    assert fusion.needs == ["audio", "text"]
    assert fusion.uar is None
    members = [rows[FUSION.replace("unimodal_weighted", name)] for name in MEMBERS]
    assert fusion.megabytes == pytest.approx(sum(row.megabytes for row in members))
    assert fusion.megabytes > 0


def test_a_fusion_whose_member_has_no_weights_cannot_predict(checkout):
    shutil.rmtree(checkout / "results/joint_cnn/speech_cnn/mine-clean/weights")
    rows = listed()
    for system in ("speech_cnn", "unimodal_weighted"):
        problem = rows[f"results/joint_cnn/{system}/mine-clean"].problem
        assert problem.startswith("no weights of speech_cnn were kept; set papers.joint_cnn.keep")
    assert rows["results/joint_cnn/text_lstm/mine-clean"].problem is None
    assert list(rows)[-2:] == [
        "results/joint_cnn/speech_cnn/mine-clean",
        "results/joint_cnn/unimodal_weighted/mine-clean",
    ]


@pytest.mark.parametrize("content", ["{", '{"version": 0}'])
def test_an_unreadable_result_does_not_stop_the_list(checkout, content):
    (checkout / "results/joint_cnn/speech_cnn/mine-clean/run.json").write_text(content)
    rows = listed()
    assert "no result of a known system" in rows["results/joint_cnn/speech_cnn/mine-clean"].problem
    assert "no result of a known system" in rows[FUSION].problem
    assert rows["results/joint_cnn/text_lstm/mine-clean"].problem is None


def test_a_result_without_predictions_does_not_stop_the_list(checkout):
    (checkout / "results/joint_cnn/speech_cnn/mine-clean/predictions.parquet").unlink()
    assert listed()["results/joint_cnn/speech_cnn/mine-clean"].problem


def test_the_list_is_shown_by_problem(checkout, capsys):
    shutil.rmtree(checkout / "results/joint_cnn/speech_cnn/mine-clean/weights")
    show_models(list(listed().values()), as_json=False)
    shown = capsys.readouterr().out
    assert "results/joint_cnn/text_lstm/mine-clean" in shown
    assert shown.count("cannot predict: no weights of speech_cnn were kept") == 1
    assert "speech_cnn/mine-clean, results/joint_cnn/unimodal_weighted/mine-clean" in shown
    assert f"{len(SYSTEMS) - 2} of {len(SYSTEMS)} results can predict new clips" in shown


@pytest.mark.parametrize(
    "arguments", [[], ["--model"], ["--model", "--json"], ["--json", "--model"]]
)
def test_without_a_model_and_a_clip_the_models_are_listed(checkout, arguments):
    outcome = CliRunner().invoke(app, ["predict", *arguments])
    assert outcome.exit_code == 0
    if "--json" in arguments:
        models = json.loads(outcome.stdout)["models"]
        assert FUSION in {row["model"] for row in models}
    else:
        assert FUSION in outcome.stdout


def test_a_clip_without_a_model_fails_below_the_list(checkout):
    outcome = CliRunner().invoke(app, ["predict", "clip.mp4", "--model"])
    assert FUSION in outcome.stdout
    assert isinstance(outcome.exception, ParamsError)
    assert str(outcome.exception) == "clip.mp4: not predicted; choose one of these with --model"


def test_a_model_without_a_clip_is_one_line(checkout):
    outcome = CliRunner().invoke(app, ["predict", "--model", FUSION])
    assert isinstance(outcome.exception, ParamsError)
    assert str(outcome.exception) == f"no clip given: merflow predict CLIP --model {FUSION}"


def test_a_checkout_without_results_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = CliRunner().invoke(app, ["predict"])
    assert "run this in the project's folder" in str(outcome.exception)
    for name in ("Snakefile", "dvc.yaml"):
        Path(name).touch()
    outcome = CliRunner().invoke(app, ["predict"])
    assert outcome.exit_code == 0
    assert "0 of 0 results can predict new clips" in outcome.stdout
    assert "snakemake --cores 2" in outcome.stdout
