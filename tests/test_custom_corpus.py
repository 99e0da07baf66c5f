"""`merflow own`: annotations to fill in, and a patch of params.yaml for what clips have."""

import shutil
from itertools import product
from pathlib import Path

import pytest
import yaml
from support import ROOT
from support.tiny_media import write_audio, write_video

from merflow import custom_corpus, params, presets, selection
from merflow.corpora import annotations
from merflow.errors import CorpusError, ParamsError

LABELS = ["anger", "joy"]


def stages_of(run, paper):
    """Stages of a paper that run on the corpus `mine`."""
    return {
        stage
        for stage, block in run.get(paper, {}).items()
        if isinstance(block, dict) and block["corpora"] == ["mine"]
    }


@pytest.mark.parametrize(
    ("present", "joint_cnn", "deepmsi_mer", "late_fusion"),
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
def test_every_system_runs_whose_modalities_are_present(
    present, joint_cnn, deepmsi_mer, late_fusion
):
    run = custom_corpus.patch_of("mine", present, True, ROOT)["run"]
    assert stages_of(run, "joint_cnn") == joint_cnn
    assert stages_of(run, "deepmsi_mer") == deepmsi_mer
    assert stages_of(run, "weighted_late_fusion") == late_fusion
    # it needs words with times, and is multi-label
    assert stages_of(run, "class_weight_lstm") == set()


def test_published_models_need_classes_that_they_know():
    assert custom_corpus.known_emotions(["angry", "joy"])
    assert not custom_corpus.known_emotions(["anger", "calm"])
    run = custom_corpus.patch_of("mine", ["text", "audio", "video"], False, ROOT)["run"]
    assert stages_of(run, "weighted_late_fusion") == {"bert", "roberta"}
    assert not {"clip", "wav2vec2_emotion"} & set(run["features"])


@pytest.mark.parametrize("preset", ["demo", "paper"])
@pytest.mark.parametrize("present", [["audio"], ["text"], ["text", "audio", "video"]])
def test_the_patch_fits_either_preset(tmp_path, preset, present):
    patch = custom_corpus.patch_of("mine", present, True, ROOT) | {
        "corpora": {"mine": {"source": "clips", "annotations": "mine.csv"}}
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(patch))
    checked = params.check(presets.compose(preset, ROOT / "params", tmp_path / "mine.yaml"), preset)
    assert checked.run.corpora == ["mine"]
    selected = selection.axes(checked.model_dump(), selection.stages_at(ROOT))
    made = {feature for group in selected["features"].values() for feature in group["features"]}
    assert ("swin" in selected["checkpoints"]) == ("video" in present)
    assert ("is13" in made) == ("audio" in present)
    assert ("fasttext" in made) == ("text" in present)


def test_a_skeleton_has_a_row_per_clip_and_its_text(tmp_path):
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
def test_a_malformed_name_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParamsError, match="choose a name of small letters"):
        custom_corpus.prepare(name, tmp_path, False)


def test_an_example_never_overwrites(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.csv").write_text("my work")
    with pytest.raises(CorpusError, match=r"mine\.csv: exists"):
        custom_corpus.prepare("mine", tmp_path / "clips", True)
    assert (tmp_path / "mine.csv").read_text() == "my work"


def test_an_example_has_usable_clips_and_annotations(tmp_path, monkeypatch):
    def fetch(corpus, source, out, scratch, digests):
        assert (corpus, source) == ("ravdess", "demo")
        for actor, emotion in product(range(1, 5), (1, 5)):
            write_video(out / f"Actor_{actor:02}" / f"01-01-{emotion:02}-01-01-01-{actor:02}.mp4")
            write_audio(out / f"Actor_{actor:02}" / f"03-01-{emotion:02}-01-01-01-{actor:02}.wav")

    monkeypatch.setattr("merflow.corpora.fetch.fetch", fetch)
    monkeypatch.chdir(tmp_path)
    custom_corpus.make_example(Path("clips"), Path("example.csv"))
    labelled = annotations.read(Path("example.csv"))
    assert labelled.classes == ["angry", "neutral"]
    assert (labelled.scheme, labelled.folds) == ("speakers", 4)
    assert labelled.rows[0].text == "Kids are talking by the door"
    assert custom_corpus.modalities(Path("clips"), labelled) == ["text", "audio", "video"]
    assert len(list(Path("clips").iterdir())) == len(labelled.rows) == 8


def test_a_filled_table_gives_a_patch_and_an_edit_is_kept(tmp_path, monkeypatch):
    for number in range(6):
        write_audio(tmp_path / f"clips/{number}.wav")
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
    assert stages_of(patch["run"], "joint_cnn") == {"speech"}
    Path("mine.yaml").write_text("run: {}  # mine")
    custom_corpus.prepare("mine", Path("clips"), False)
    assert Path("mine.yaml").read_text() == "run: {}  # mine"


def test_texts_without_clips_need_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "params", "params")
    shutil.copy(ROOT / "dvc.yaml", ".")
    rows = [f",words {k},{LABELS[k % 2]},{'abc'[k // 2]},," for k in range(6)]
    header = "clip,text,label,speaker,dialogue,split"
    Path("mine.csv").write_text("\n".join([header, *rows]))
    custom_corpus.prepare("mine", Path("nowhere"), False)
    run = yaml.safe_load(Path("mine.yaml").read_text())["run"]
    assert stages_of(run, "joint_cnn") == {"text"}


def test_a_table_that_names_clips_needs_one_of_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f"{k}.wav,words,{LABELS[k % 2]},{'abc'[k // 2]},," for k in range(6)]
    header = "clip,text,label,speaker,dialogue,split"
    Path("mine.csv").write_text("\n".join([header, *rows]))
    with pytest.raises(
        CorpusError, match=r"nowhere: holds none of the 6 clips, the first is 0\.wav"
    ):
        custom_corpus.prepare("mine", Path("nowhere"), False)
