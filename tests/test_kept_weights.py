"""keep_weights: resolved for each result, by what is wanted and what is there."""

import copy
import json

import pytest
import yaml
from support import ROOT

from merflow import kept_weights, params, presets, selection
from merflow.errors import ParamsError
from merflow.params import CheckpointParams

STAGES = selection.stages_at(ROOT)
PRESETS = {
    name: yaml.safe_load(presets.compose(name, ROOT / "params")) for name in ("paper", "demo")
}
BERT, ROBERTA = (
    {f"text_{model}_{variant}" for variant in ("8", "16", "32", "16_context")}
    for model in ("bert", "roberta")
)
FINE_TUNED = BERT | ROBERTA | {"text_roberta_16_low_rate"}
OF_SPEECH = {"speech_cnn", "speech_cnn_alpha_1", "speech_lstm"}
OF_JOINT_CNN = OF_SPEECH | {"text_lstm", "text_lstm_utterance", "joint_cnn"}


def kept(tmp_path, paper, keep="small", preset="paper"):
    """Systems of a paper whose weights are kept under every protocol and corpus."""
    values = copy.deepcopy(PRESETS[preset])
    values["papers"][paper]["keep_weights"] = keep
    systems = kept_weights.values(values, selection.axes(values, STAGES), STAGES, tmp_path)[paper]
    of_system = {
        system: {keep for of_corpus in corpora.values() for keep in of_corpus.values()}
        for system, corpora in systems.items()
    }
    assert all(len(values) == 1 for values in of_system.values())
    return {system for system, (keep,) in of_system.items() if keep}


def test_small_keeps_what_fine_tunes_no_published_model(tmp_path):
    assert kept(tmp_path, "joint_cnn") == OF_JOINT_CNN
    assert kept(tmp_path, "weighted_late_fusion") == set()
    assert kept(tmp_path, "deepmsi_mer") == {"audio_frozen"}
    assert len(kept(tmp_path, "class_weight_lstm")) == 15
    assert kept(tmp_path, "mel_cnn_bert") >= {"speech", "text", "fusion", "concatenation"}


def test_small_keeps_what_starts_from_the_demos_models(tmp_path):
    assert kept(tmp_path, "weighted_late_fusion", preset="demo") == {"text_roberta_16"}
    demo = {"text", "audio", "text_video", "audio_video", "text_audio_video", "without_vsc"}
    assert kept(tmp_path, "deepmsi_mer", preset="demo") == demo | {"audio_frozen"}


def test_fusions_and_off_the_shelf_models_have_none(tmp_path):
    assert kept(tmp_path, "weighted_late_fusion", "all") == FINE_TUNED
    assert kept(tmp_path, "joint_cnn", "all") == OF_JOINT_CNN


def test_a_list_keeps_its_systems_and_small_ones(tmp_path):
    assert kept(tmp_path, "weighted_late_fusion", ["text_bert_8"]) == {"text_bert_8"}
    assert kept(tmp_path, "deepmsi_mer", ["text"]) == {"audio_frozen", "text"}


def test_weights_that_are_there_are_kept(tmp_path):
    assert kept(tmp_path, "mel_cnn_bert", "none") == set()
    for corpus in ("meld", "mosei"):
        for protocol in ("as_published", "clean"):
            folder = tmp_path / f"results/mel_cnn_bert/text/{corpus}-{protocol}/weights"
            folder.mkdir(parents=True)
            (folder / "0-1.safetensors").write_bytes(b"weights")
    assert kept(tmp_path, "mel_cnn_bert", "none") == {"text"}


@pytest.mark.parametrize("value", [True, False, None, "large", [], [1], {}])
def test_another_value_is_refused_in_one_line(value):
    values = copy.deepcopy(PRESETS["paper"])
    values["papers"]["joint_cnn"]["keep_weights"] = value
    message = r"keep_weights: expected small, all, none, or a list of systems"
    with pytest.raises(ParamsError, match=message):
        params.validated(params.Params, values, "params.yaml")


@pytest.mark.parametrize("name", ["late_average", "text_bert_8"])
def test_a_system_without_weights_is_refused_by_name(name):
    values = copy.deepcopy(PRESETS["paper"])
    values["papers"]["joint_cnn"]["keep_weights"] = ["text_lstm", name]
    message = f"papers.joint_cnn.keep_weights: {name} has no weights; known: speech_cnn, "
    with pytest.raises(ParamsError, match=message):
        params.validated(params.Params, values, "params.yaml")


def test_the_overview_counts_kept_and_coming_megabytes(tmp_path):
    values = copy.deepcopy(PRESETS["paper"])
    values["papers"]["weighted_late_fusion"]["keep_weights"] = ["text_bert_8"]
    for path, n_bytes in (
        ("results/joint_cnn/text_lstm/meld-clean/weights/0-1.safetensors", 3_000_000),
        ("data/checkpoints/other/model.safetensors", 1),
    ):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_bytes(bytes(n_bytes))
    # another model than that of params.yaml says nothing about its size
    for checkpoint, name in (
        ("bert", values["checkpoints"]["bert"]),
        ("roberta", {"demo": "roberta"}),
    ):
        card = tmp_path / "data/checkpoints" / checkpoint / "SOURCE.json"
        card.parent.mkdir(exist_ok=True)
        card.write_text(json.dumps({"name": CheckpointParams(**name).name}))
        (card.parent / "model.safetensors").write_bytes(bytes(2_000_000))
    rows = kept_weights.overview(values, selection.axes(values, STAGES), STAGES, tmp_path)
    joint = rows["joint_cnn"]
    assert (joint.results, joint.kept, joint.megabytes) == (22, 1, 3)
    # five seeds of session 5, five sessions, five folds of actors twice, and MELD's splits twice,
    # one result less
    runs = 6 * 5 + 6 * 25 + 3 * 2 * 25 + (2 * 2 - 1) * 5
    assert joint.small == 15 * runs
    fusion = rows["weighted_late_fusion"]
    assert fusion.large == {"text_bert_8": 5 + 5}
    assert set(fusion.left_out) == FINE_TUNED - {"text_bert_8"}
    assert fusion.published == dict.fromkeys(BERT, 2) | dict.fromkeys(FINE_TUNED - BERT)


def test_a_corpus_of_ones_own_counts_at_most_five_folds(tmp_path):
    values = copy.deepcopy(PRESETS["demo"])
    values["corpora"]["mine"] = {"source": "clips", "annotations": "mine.csv"}
    values["run"] |= {"corpora": ["mine"], "papers": ["joint_cnn"]}
    values["run"]["joint_cnn"]["speech"]["corpora"] = ["mine"]
    values["run"]["joint_cnn"]["protocols"] = ["clean"]
    rows = kept_weights.overview(values, selection.axes(values, STAGES), STAGES, tmp_path)
    assert rows["joint_cnn"].small == 15 * 5
