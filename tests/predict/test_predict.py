import json
import shutil

import numpy as np
import pytest
from support.custom_clips import CLASSES, SYSTEMS, trained
from support.tiny_media import write_video
from typer.testing import CliRunner

from merflow import artifacts
from merflow.cli import app
from merflow.errors import CorpusError, StoreError
from merflow.features.text.tokens import Tokenizer
from merflow.predict import inputs
from merflow.predict.models import read_models
from merflow.predict.show import show
from merflow.predict.step import predict
from merflow.store import read_table

CHANGES = {  # change of run.json -> expected message
    "unknown feature": (
        lambda record: record["extraction"]["speech"].update(feature="opensmile"),
        "feature opensmile is unknown to this version",
    ),
    "corpus file": (
        lambda record: record["extraction"]["speech"].update(feature="covarep"),
        "feature covarep is made from files of the corpus or times of words",
    ),
    "checkpoint": (
        lambda record: record["extraction"]["speech"].update(
            checkpoint={"name": "bert-x", "sha256": "f" * 64}
        ),
        r"checkpoint bert-x \(ffffffffffff\) is missing",
    ),
    "feature code": (
        lambda record: record["extraction"]["speech"].update(code="0"),
        "changed since training: code of is13; .* add --despite-changes",
    ),
    "decoder library": (
        lambda record: record["extraction"]["speech"]["media"]["audio"]["versions"].update(av="1"),
        r"changed since training: av 1 \(now ",
    ),
    "training code": (
        lambda record: record.update(code="0"),
        "changed since training: code of training",
    ),
    "no provenance": (
        lambda record: record.pop("extraction"),
        "run.json has no provenance of input speech; train it again",
    ),
    "older format": (
        lambda record: record.update(version=0),
        r"no result of a known system .*format 1 expected",
    ),
}


def result(project, paper, system):
    return project / f"results/{paper}/{system}/mine-clean"


def predictions_of(project, paper, system, target=None, **options):
    """Predict clips, by default all of the corpus."""
    folder, target = result(project, paper, system), target or project / "clips"
    return predict(target, folder, project / "data/checkpoints", **options)


def changed_result(project, folder, change):
    """Copy the result of the speech CNN into `folder`, and change its run.json."""
    copy = folder / "results/joint_cnn/speech_cnn/mine-clean"
    shutil.copytree(result(project, "joint_cnn", "speech_cnn"), copy)
    record = json.loads((copy / "run.json").read_text())
    change(record)
    (copy / "run.json").write_text(json.dumps(record))
    return copy


def utterances(predictions):
    return [prediction.utterance for prediction in predictions.predictions]


def values(predictions):
    """Probabilities (N, K)."""
    return np.array([list(row.probabilities.values()) for row in predictions.predictions])


@pytest.mark.parametrize(("paper", "system"), SYSTEMS)
def test_a_run_repeats_what_training_predicted(project, paper, system):
    path = result(project, paper, system) / "predictions.parquet"
    rows = read_table(path, artifacts.PREDICTIONS)
    rows = rows[(rows["fold"] == 1) & (rows["seed"] == 2)].set_index("utterance_id")
    options = {"annotations": project / "clips.csv", "fold": 1, "seed": 2}
    predictions = predictions_of(project, paper, system, **options)
    assert predictions.classes == CLASSES
    assert list(map(str, predictions.runs)) == ["1-2"]
    assert predictions.failed == {}
    of_utterance = {row.utterance: row for row in predictions.predictions}
    assert len(of_utterance) == 27
    assert len(rows) == 18  # dev and test
    for key, row in rows.iterrows():
        probabilities = list(of_utterance[key].probabilities.values())
        np.testing.assert_allclose(probabilities, row["probabilities"], atol=1e-5)
        assert of_utterance[key].predicted == list(row["predicted"])


def test_members_are_read_before_the_systems_they_serve(project):
    folder = result(project, "weighted_late_fusion", "late_fusion_calibrated")
    names = [model.name for model in read_models(folder)]
    assert names == ["text_roberta_16", "audio_wav2vec2", "video_clip", "late_fusion_calibrated"]


def test_clips_are_decoded_and_features_extracted_once(project, monkeypatch):
    calls = []
    for name in ("decode_shard", "extract_shard"):
        step = getattr(inputs, name)
        monkeypatch.setattr(
            inputs, name, lambda *args, step=step: calls.append(step.__name__) or step(*args)
        )
    options = {"annotations": project / "clips.csv"}
    predictions_of(project, "weighted_late_fusion", "late_fusion_calibrated", **options)
    assert sorted(calls) == ["decode_shard", "extract_shard", "extract_shard"]


def test_texts_are_tokenized_once_for_all_runs(project, monkeypatch):
    calls = []
    tokenize = Tokenizer.with_context
    monkeypatch.setattr(
        Tokenizer, "with_context", lambda *args: calls.append(args) or tokenize(*args)
    )
    predictions = predictions_of(project, "deepmsi_mer", "text", annotations=project / "clips.csv")
    assert len(predictions.runs) == 6
    assert len(calls) == 1


def test_several_runs_give_their_mean(project):
    clip = project / "clips/04.mp4"
    of_seeds = [
        predictions_of(project, "joint_cnn", "speech_cnn", clip, fold=0, seed=seed)
        for seed in (1, 2)
    ]
    both = predictions_of(project, "joint_cnn", "speech_cnn", clip, fold=0)
    assert list(map(str, both.runs)) == ["0-1", "0-2"]
    np.testing.assert_allclose(
        values(both), np.mean(list(map(values, of_seeds)), axis=0), atol=1e-6
    )
    assert len(predictions_of(project, "joint_cnn", "speech_cnn", clip).runs) == 6


def test_multi_label_predictions_are_the_classes_from_a_half(project, tmp_path):
    mosei = {"corpus": "mosei", "scheme": "official"}
    folder = changed_result(project, tmp_path, lambda record: record.update(mosei))
    predictions = predict(project / "clips", folder, project / "data/checkpoints")
    assert not np.allclose(values(predictions).sum(axis=1), 1)
    for row in predictions.predictions:
        assert row.predicted == [name for name in CLASSES if row.probabilities[name] >= 0.5]


def test_a_clip_that_cannot_be_opened_is_named(project, tmp_path):
    shutil.copy(project / "clips/00.mp4", tmp_path / "a.mp4")
    (tmp_path / "b.mp4").write_bytes(b"no clip")
    (tmp_path / "notes.txt").write_text("no clip either")
    predictions = predictions_of(project, "joint_cnn", "speech_cnn", tmp_path)
    assert utterances(predictions) == ["a.mp4"]
    assert list(predictions.failed) == ["b.mp4"]
    assert "not a readable media file" in predictions.failed["b.mp4"]


def test_a_text_is_given_or_lies_beside_the_clip(project, tmp_path):
    clip = tmp_path / "a.mp4"
    shutil.copy(project / "clips/00.mp4", clip)
    given = predictions_of(project, "joint_cnn", "text_lstm", clip, text="so great !")
    without = predictions_of(project, "joint_cnn", "text_lstm", clip)
    assert without.predictions == []
    assert without.failed["a.mp4"].startswith("no text, which this model needs; give --text")
    (tmp_path / "a.txt").write_text("so  great\n!")
    beside = predictions_of(project, "joint_cnn", "text_lstm", tmp_path)
    assert beside.predictions == given.predictions


def test_a_clip_without_audio_is_named(project, tmp_path):
    write_video(tmp_path / "a.mp4", audio=False)
    predictions = predictions_of(project, "joint_cnn", "speech_cnn", tmp_path)
    assert predictions.predictions == []
    assert list(predictions.failed) == ["a.mp4"]


def without_weights(project, paper, *systems):
    """Train systems under another protocol, without weights; returns the folder of the last."""
    keep = {"protocol": "as_published", "keep_weights": False}
    return [trained(project, paper, system, **keep) for system in systems][-1]


def test_a_model_without_weights_names_what_is_to_be_kept(project):
    systems = ["text_lstm", "speech_cnn", "unimodal_weighted"]
    folder = without_weights(project, "joint_cnn", *systems)
    message = (
        r"no weights of text_lstm, speech_cnn were kept;"
        r" set papers\.joint_cnn\.keep_weights: \[text_lstm, speech_cnn\] in params\.yaml"
    )
    with pytest.raises(StoreError, match=message):
        predict(project / "clips", folder, project / "data/checkpoints")


def test_a_folder_without_result_is_refused(project, tmp_path):
    message = "no result of a system; expected results/<paper>/<system>/"
    with pytest.raises(StoreError, match=message):
        predict(project / "clips", tmp_path, project / "data/checkpoints")


def test_a_run_that_does_not_exist_is_refused(project):
    message = r"no run with fold 7 has all weights; expected one of 0-1, 0-2, 1-1"
    with pytest.raises(StoreError, match=message):
        predictions_of(project, "joint_cnn", "speech_cnn", fold=7)


def test_a_target_without_clips_is_refused(project, tmp_path):
    with pytest.raises(CorpusError, match="no clip in it; no file at all; known endings: "):
        predictions_of(project, "joint_cnn", "speech_cnn", tmp_path)
    with pytest.raises(CorpusError, match="no such clip or folder"):
        predictions_of(project, "joint_cnn", "speech_cnn", tmp_path / "absent.mp4")
    options = {"target": project / "clips.csv", "annotations": project / "clips.csv"}
    with pytest.raises(CorpusError, match=r"no row for clip clips\.csv; add one"):
        predictions_of(project, "joint_cnn", "speech_cnn", **options)


@pytest.mark.parametrize(("change", "message"), CHANGES.values(), ids=list(CHANGES))
def test_a_model_whose_inputs_may_differ_is_refused(project, tmp_path, change, message):
    folder = changed_result(project, tmp_path, change)
    with pytest.raises(StoreError, match=message):
        predict(project / "clips/00.mp4", folder, project / "data/checkpoints")


def test_changed_code_is_accepted_on_demand(project, tmp_path):
    folder = changed_result(project, tmp_path, lambda record: record.update(code="0"))
    clip, checkpoints = project / "clips/00.mp4", project / "data/checkpoints"
    assert len(predict(clip, folder, checkpoints, despite_changes=True).predictions) == 1


def test_weights_of_another_network_are_refused(project, tmp_path):
    folder = changed_result(project, tmp_path, lambda record: None)
    other = result(project, "joint_cnn", "text_lstm") / "weights/0-1.safetensors"
    shutil.copy(other, folder / "weights/0-1.safetensors")
    clip, checkpoints = project / "clips/00.mp4", project / "data/checkpoints"
    with pytest.raises(StoreError, match="weights do not fit the network of speech_cnn"):
        predict(clip, folder, checkpoints, fold=0, seed=1)


@pytest.mark.parametrize("name", ["0-1.safetensors", "0-1.inputs.safetensors"])
def test_weights_that_are_cut_off_are_one_line(project, tmp_path, name):
    folder = changed_result(project, tmp_path, lambda record: None)
    path, checkpoints = folder / "weights" / name, project / "data/checkpoints"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(StoreError, match=f"{name}: not a whole file of weights"):
        predict(project / "clips/00.mp4", folder, checkpoints, fold=0, seed=1)
    path.unlink()
    predictions = predict(project / "clips/00.mp4", folder, checkpoints, fold=0)
    assert list(map(str, predictions.runs)) == ["0-2"]


def test_the_command_fails_if_no_clip_can_be_predicted(project, tmp_path):
    shutil.copy(project / "clips/00.mp4", tmp_path / "a.mp4")
    (tmp_path / "b.mp4").write_bytes(b"no clip")
    options = ["--model", str(result(project, "joint_cnn", "text_lstm")), "--json", "--seed", "1"]
    options += ["--checkpoints", str(project / "data/checkpoints")]
    outcome = CliRunner().invoke(app, ["predict", str(tmp_path / "b.mp4"), *options])
    assert outcome.exit_code == 1
    assert list(json.loads(outcome.stdout)["failed"]) == ["b.mp4"]
    (tmp_path / "a.txt").write_text("so great !")
    outcome = CliRunner().invoke(app, ["predict", str(tmp_path), *options])
    assert outcome.exit_code == 0
    rows = json.loads(outcome.stdout)["predictions"]
    assert [row["utterance"] for row in rows] == ["a.mp4"]


def test_predictions_are_shown_as_a_table_or_as_json(project, capsys):
    predictions = predictions_of(project, "joint_cnn", "speech_cnn", project / "clips/00.mp4")
    show(predictions, as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert list(shown) == ["model", "classes", "runs", "predictions", "failed"]
    assert shown["runs"][0] == {"fold": 0, "seed": 1}
    (row,) = shown["predictions"]
    assert list(row) == ["utterance", "predicted", "probabilities"]
    assert list(row["probabilities"]) == CLASSES
    predictions.failed["b.mp4"] = "an empty file"
    show(predictions, as_json=False)
    shown = capsys.readouterr().out
    assert "mean of 6 runs" in shown
    assert "b.mp4: an empty file" in shown
    assert "1 predicted, 1 not" in shown
