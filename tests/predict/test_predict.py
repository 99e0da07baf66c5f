import json
import shutil

import numpy as np
import pytest
from support.custom_clips import SYSTEMS, trained
from typer.testing import CliRunner

from merflow import artifacts
from merflow.cli import app
from merflow.errors import CorpusError, StoreError
from merflow.predict.show import predict, show
from merflow.store import read_table


def result(place, paper, system):
    return place / f"results/{paper}/{system}/mine-clean"


def asked(place, paper, system, target=None, **more):
    return predict(
        target or place / "clips", result(place, paper, system), place / "data/checkpoints", **more
    )


@pytest.mark.parametrize(("paper", "system"), SYSTEMS)
def test_a_run_gives_of_the_clips_it_was_tested_on_what_training_wrote(place, paper, system):
    rows = read_table(result(place, paper, system) / "predictions.parquet", artifacts.PREDICTIONS)
    rows = rows[(rows["fold"] == 1) & (rows["seed"] == 2)].set_index("utterance_id")
    answer = asked(place, paper, system, annotations=place / "clips.csv", fold=1, seed=2)
    assert answer["classes"] == ["cross", "glad", "low"]
    assert answer["runs"] == [{"fold": 1, "seed": 2}]
    assert answer["failed"] == {}
    found = {one["utterance"]: one for one in answer["predictions"]}
    assert len(found) == 27
    assert len(rows) == 18  # dev and test
    for key, row in rows.iterrows():
        np.testing.assert_allclose(
            list(found[key]["probabilities"].values()), row["probabilities"], atol=1e-5
        )
        assert found[key]["predicted"] == list(row["predicted"])


def test_several_runs_give_their_mean(place):
    clip = place / "clips/04.mp4"
    every = [
        asked(place, "joint_cnn", "speech_cnn", clip, fold=0, seed=seed)["predictions"]
        for seed in (1, 2)
    ]
    both = asked(place, "joint_cnn", "speech_cnn", clip, fold=0)
    assert both["runs"] == [{"fold": 0, "seed": 1}, {"fold": 0, "seed": 2}]
    for one, other, mean in zip(*every, both["predictions"], strict=True):
        expected = np.mean([list(each["probabilities"].values()) for each in (one, other)], axis=0)
        np.testing.assert_allclose(list(mean["probabilities"].values()), expected, atol=1e-6)
    assert len(asked(place, "joint_cnn", "speech_cnn", clip)["runs"]) == 6


def test_a_clip_of_a_folder_that_cannot_be_opened_is_named_and_the_others_go_on(place, tmp_path):
    shutil.copy(place / "clips/00.mp4", tmp_path / "a.mp4")
    (tmp_path / "b.mp4").write_bytes(b"no clip")
    (tmp_path / "notes.txt").write_text("no clip either")
    answer = asked(place, "joint_cnn", "speech_cnn", tmp_path)
    assert [one["utterance"] for one in answer["predictions"]] == ["a.mp4"]
    assert list(answer["failed"]) == ["b.mp4"]
    assert "not a readable media file" in answer["failed"]["b.mp4"]


def test_a_text_system_takes_the_text_that_is_given_or_lies_beside(place, tmp_path):
    shutil.copy(place / "clips/00.mp4", tmp_path / "a.mp4")
    given = asked(place, "joint_cnn", "text_lstm", tmp_path / "a.mp4", text="so great !")
    silent = asked(place, "joint_cnn", "text_lstm", tmp_path / "a.mp4")
    assert silent["predictions"] == []
    assert silent["failed"]["a.mp4"].startswith("no text, which this model reads: give --text")
    (tmp_path / "a.txt").write_text("so  great\n!")
    beside = asked(place, "joint_cnn", "text_lstm", tmp_path)
    assert beside["predictions"] == given["predictions"]


def test_what_cannot_be_predicted_with_is_refused_in_one_line(place, tmp_path):
    none = trained(place, "joint_cnn", "speech_cnn", "as_published", keep_weights=False)
    with pytest.raises(
        StoreError, match=r"keeps no weights; set papers\.joint_cnn\.keep_weights: true"
    ):
        predict(place / "clips", none, place / "data/checkpoints")
    with pytest.raises(StoreError, match="no result of a known system in it"):
        predict(place / "clips", tmp_path, place / "data/checkpoints")
    with pytest.raises(
        StoreError, match=r"keeps no weights of fold 7, seed None; it has 0-1, 0-2, 1-1"
    ):
        asked(place, "joint_cnn", "speech_cnn", fold=7)
    with pytest.raises(CorpusError, match="no clip in it"):
        asked(place, "joint_cnn", "speech_cnn", tmp_path)
    with pytest.raises(CorpusError, match="no such clip or folder"):
        asked(place, "joint_cnn", "speech_cnn", tmp_path / "gone.mp4")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda r: r["features"]["speech"].update(feature="opensmile"),
            "its input speech is the feature opensmile, which this version cannot",
        ),
        (
            lambda r: r["features"]["speech"].update(feature="covarep"),
            "its input speech is covarep, made from the corpus' own files or word",
        ),
        (
            lambda r: r["features"]["speech"].update(
                checkpoint={"name": "bert-x", "sha256": "f" * 64}
            ),
            "needs the checkpoint bert-x",
        ),
        (
            lambda r: r["features"]["speech"].update(code="0"),
            "these have changed: code of is13; .* add --despite-changes",
        ),
        (
            lambda r: r["features"]["speech"]["media"]["audio"]["versions"].update(av="1.0"),
            "these have changed: av 1.0",
        ),
        (lambda r: r.update(code="0"), "these have changed: code of training"),
        (lambda r: r.pop("features"), "it is of an older version; train it again"),
    ],
)
def test_a_model_whose_inputs_cannot_be_made_again_is_refused(place, tmp_path, change, says):
    folder = tmp_path / "results/joint_cnn/speech_cnn/mine-clean"
    shutil.copytree(result(place, "joint_cnn", "speech_cnn"), folder)
    record = json.loads((folder / "run.json").read_text())
    change(record)
    (folder / "run.json").write_text(json.dumps(record))
    with pytest.raises(StoreError, match=says):
        predict(place / "clips/00.mp4", folder, place / "data/checkpoints")


def test_changed_code_is_passed_over_on_demand(place, tmp_path):
    folder = tmp_path / "results/joint_cnn/speech_cnn/mine-clean"
    shutil.copytree(result(place, "joint_cnn", "speech_cnn"), folder)
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(record | {"code": "0"}))
    assert (
        len(
            predict(place / "clips/00.mp4", folder, place / "data/checkpoints", lenient=True)[
                "predictions"
            ]
        )
        == 1
    )


def test_weights_of_another_network_are_refused(place, tmp_path):
    folder = tmp_path / "results/joint_cnn/speech_cnn/mine-clean"
    shutil.copytree(result(place, "joint_cnn", "speech_cnn"), folder)
    shutil.copy(
        result(place, "joint_cnn", "text_lstm") / "weights/0-1.safetensors",
        folder / "weights/0-1.safetensors",
    )
    with pytest.raises(StoreError, match="these weights do not fit the network of speech_cnn"):
        predict(place / "clips/00.mp4", folder, place / "data/checkpoints", fold=0, seed=1)


def test_the_command_fails_only_where_nothing_can_be_predicted(place, tmp_path):
    shutil.copy(place / "clips/00.mp4", tmp_path / "a.mp4")
    (tmp_path / "b.mp4").write_bytes(b"no clip")
    how = [
        "--model",
        str(result(place, "joint_cnn", "text_lstm")),
        "--checkpoints",
        str(place / "data/checkpoints"),
        "--json",
        "--seed",
        "1",
    ]
    done = CliRunner().invoke(app, ["predict", str(tmp_path / "b.mp4"), *how])
    assert done.exit_code == 1
    assert list(json.loads(done.stdout)["failed"]) == ["b.mp4"]
    (tmp_path / "a.txt").write_text("so great !")
    done = CliRunner().invoke(app, ["predict", str(tmp_path), *how])
    assert done.exit_code == 0
    assert [one["utterance"] for one in json.loads(done.stdout)["predictions"]] == ["a.mp4"]


def test_the_answer_is_a_table_or_json(place, capsys):
    answer = asked(place, "joint_cnn", "speech_cnn", place / "clips/00.mp4")
    show(answer, as_json=True)
    assert json.loads(capsys.readouterr().out) == answer
    show(answer | {"failed": {"b.mp4": "an empty file"}}, as_json=False)
    printed = capsys.readouterr().out
    assert "mean of 6 runs" in printed
    assert "b.mp4: an empty file" in printed
    assert "1 predicted, 1 not" in printed
