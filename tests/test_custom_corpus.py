"""`merflow own`: annotations to fill in, and a patch of params.yaml that asks for what clips and texts allow."""

from itertools import product
from pathlib import Path

import pytest
import yaml
from support import ROOT
from support.tiny_media import write_sound, write_video

from merflow import custom_corpus, params, presets, selection
from merflow.corpora import annotations
from merflow.errors import CorpusError, ParamsError

LABELS = ["anger", "joy"]


def asked(run, paper):
    return {
        stage
        for stage, block in run.get(paper, {}).items()
        if isinstance(block, dict) and block["corpora"] == ["mine"]
    }


@pytest.mark.parametrize(
    ("at_hand", "joint_cnn", "deepmsi_mer", "late_fusion"),
    [
        (["audio"], {"speech"}, {"audio"}, {"audio"}),
        (["text"], {"text"}, {"text"}, {"bert", "roberta"}),
        (
            ["text", "audio"],
            {"text", "speech", "early", "late", "unimodal"},
            {"text", "audio"},
            {"bert", "roberta", "audio"},
        ),
        (["audio", "video"], {"speech"}, {"audio", "video", "audio_video"}, {"audio", "video"}),
    ],
)
def test_every_system_runs_that_the_modalities_allow(at_hand, joint_cnn, deepmsi_mer, late_fusion):
    run = custom_corpus.patch_of("mine", at_hand, True, ROOT)["run"]
    assert asked(run, "joint_cnn") == joint_cnn
    assert asked(run, "deepmsi_mer") == deepmsi_mer
    assert asked(run, "weighted_late_fusion") == late_fusion
    assert (
        asked(run, "class_weight_lstm") == set()
    )  # it takes words with times, and several emotions at once


def test_models_as_they_are_need_classes_that_they_know():
    assert custom_corpus.known_emotions(["angry", "joy"])
    assert not custom_corpus.known_emotions(["anger", "calm"])
    run = custom_corpus.patch_of("mine", ["text", "audio", "video"], False, ROOT)["run"]
    assert asked(run, "weighted_late_fusion") == {"bert", "roberta"}
    assert not {"clip", "wav2vec2_emotion"} & set(run["features"])


@pytest.mark.parametrize("preset", ["demo", "paper"])
@pytest.mark.parametrize("at_hand", [["audio"], ["text"], ["text", "audio", "video"]])
def test_the_patch_makes_a_valid_params_file_of_either_preset(tmp_path, preset, at_hand):
    patch = custom_corpus.patch_of("mine", at_hand, True, ROOT) | {
        "corpora": {"mine": {"source": "clips", "annotations": "mine.csv"}}
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(patch))
    found = params.check(presets.compose(preset, ROOT / "params", tmp_path / "mine.yaml"), preset)
    assert found.run.corpora == ["mine"]
    selected = selection.axes(found.model_dump(), selection.stages_at(ROOT))
    made = {feature for group in selected["features"].values() for feature in group["features"]}
    assert ("swin" in selected["checkpoints"]) == ("video" in at_hand)
    assert ("is13" in made) == ("audio" in at_hand)
    assert ("fasttext" in made) == ("text" in at_hand)


def test_a_skeleton_has_a_row_per_clip_and_the_text_beside_it(tmp_path):
    (tmp_path / "a").mkdir()
    for name in ("a/2.WAV", "1.mp4", "readme.md"):
        (tmp_path / name).touch()
    (tmp_path / "1.txt").write_text("we are,\nlate")
    assert (
        custom_corpus.skeleton(tmp_path)
        == 'clip,text,label,speaker,dialogue,split\n1.mp4,"we are, late",,,,\na/2.WAV,,,,,\n'
    )
    with pytest.raises(CorpusError, match="no clips in it or below"):
        custom_corpus.skeleton(tmp_path / "gone")


@pytest.mark.parametrize("name", ["meld", "my-clips", "2nd", ""])
def test_a_name_that_cannot_be_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParamsError, match="choose a name of small letters"):
        custom_corpus.prepare(name, tmp_path, False)


def test_an_example_never_overwrites(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.csv").write_text("my work")
    with pytest.raises(CorpusError, match=r"mine\.csv: is there already"):
        custom_corpus.prepare("mine", tmp_path / "clips", True)
    assert (tmp_path / "mine.csv").read_text() == "my work"


def test_an_example_has_clips_and_annotations_that_can_be_used(tmp_path, monkeypatch):
    def fetch(corpus, source, out, scratch, digests):
        assert (corpus, source) == ("ravdess", "demo")
        for actor, emotion in product(range(1, 5), (1, 5)):
            write_video(out / f"Actor_{actor:02}" / f"01-01-{emotion:02}-01-01-01-{actor:02}.mp4")
            write_sound(out / f"Actor_{actor:02}" / f"03-01-{emotion:02}-01-01-01-{actor:02}.wav")

    monkeypatch.setattr("merflow.corpora.fetch.fetch", fetch)
    monkeypatch.chdir(tmp_path)
    custom_corpus.make_example(Path("clips"), Path("example.csv"))
    found = annotations.read(Path("example.csv"))
    assert found.classes == ["angry", "neutral"]
    assert (found.scheme, found.folds) == ("speakers", 4)
    assert found.rows[0].text == "Kids are talking by the door"
    assert custom_corpus.modalities(Path("clips"), found) == ["text", "audio", "video"]
    assert len(list(Path("clips").iterdir())) == len(found.rows) == 8


def test_a_filled_table_gives_the_patch_and_an_edited_patch_is_kept(tmp_path, monkeypatch):
    for number in range(6):
        write_sound(tmp_path / f"clips/{number}.wav")
    for name in ("params", "dvc.yaml"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    custom_corpus.prepare("mine", Path("clips"), False)
    skeleton = Path("mine.csv").read_text().splitlines()
    assert not Path("mine.yaml").exists()
    filled = [
        row.replace(",,,,,", f",,{'joy' if k % 2 else 'anger'},{'abc'[k // 2]},,")
        for k, row in enumerate(skeleton[1:])
    ]
    Path("mine.csv").write_text("\n".join([skeleton[0], *filled]) + "\n")
    custom_corpus.prepare("mine", Path("clips"), False)
    patch = yaml.safe_load(Path("mine.yaml").read_text())
    assert patch["corpora"] == {"mine": {"source": "clips", "annotations": "mine.csv"}}
    assert asked(patch["run"], "joint_cnn") == {"speech"}
    Path("mine.yaml").write_text("run: {}  # mine")
    custom_corpus.prepare("mine", Path("clips"), False)
    assert Path("mine.yaml").read_text() == "run: {}  # mine"
