"""`merflow own`: annotations to fill in, and a patch of params.yaml for what clips have."""

import contextlib
import os
import shutil
from itertools import product
from pathlib import Path

import pytest
import yaml
from support import ROOT
from support.tiny_media import write_audio, write_video

from merflow import custom_corpus, params, presets, selection
from merflow.corpora import annotations
from merflow.display import printable
from merflow.errors import CorpusError, ParamsError
from merflow.pointers import LFS

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
        (["audio"], {"speech"}, {"audio", "audio_vectors"}, {"audio"}),
        (["text"], {"text"}, {"text", "text_vectors"}, {"bert", "roberta", "text_vectors"}),
        (
            ["text", "audio"],
            {"text", "speech", "early", "late", "unimodal", "unimodal_lstm"},
            {"text", "audio", "text_vectors", "audio_vectors"},
            {"bert", "roberta", "text_vectors", "audio"},
        ),
        (
            ["audio", "video"],
            {"speech"},
            {"audio", "audio_vectors", "video", "audio_video"},
            {"audio", "video", "video_crop"},
        ),
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
    assert stages_of(run, "weighted_late_fusion") == {"bert", "roberta", "text_vectors"}
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
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "1.txt").write_text("we are,\nlate")
    assert (
        custom_corpus.skeleton(tmp_path)
        == 'clip,text,label,speaker,dialogue,split\n1.mp4,"we are, late",,,,\na/2.WAV,,,,,\n'
    )
    with pytest.raises(CorpusError, match="no clips in it or below"):
        custom_corpus.skeleton(tmp_path / "gone")


def test_texts_beside_clips_are_utf8(tmp_path, caplog, monkeypatch):
    for name in "abc":
        (tmp_path / f"{name}.wav").write_bytes(b"x")
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfwe are late")
    (tmp_path / "b.txt").write_bytes("I don\x92t".encode())
    rows = custom_corpus.skeleton(tmp_path).splitlines()
    assert rows[1:] == ["a.wav,we are late,,,,", "b.wav,I don’t,,,,", "c.wav,,,,,"]
    (message,) = caplog.messages
    assert message == (
        f"{tmp_path}: 1 transcripts have control characters, read as marks of cp1252"
    )
    (tmp_path / "b.txt").write_bytes(b"I\x92ve had it, caf\xe9")
    with pytest.raises(CorpusError, match=r"b\.txt: not UTF-8 \(byte 0x92 at 1\); save it as"):
        custom_corpus.skeleton(tmp_path)


def test_a_clip_whose_name_is_not_utf8_is_to_be_renamed(tmp_path, monkeypatch):
    name = os.fsdecode(b"gl\xfccklich.wav")
    for clip in ("b.wav", name):
        (tmp_path / clip).write_bytes(b"x")
    with pytest.raises(CorpusError, match="its name is not UTF-8; rename it") as error:
        custom_corpus.skeleton(tmp_path)
    assert r"gl\xfccklich.wav: its name" in printable(str(error.value))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CorpusError, match="its name is not UTF-8"):
        custom_corpus.prepare("mine", Path(os.fsdecode(b"\xfc")), False)


def test_files_that_are_not_listed_are_counted(tmp_path, caplog, monkeypatch):
    for name in ("ok.wav", "OK.wav", "._ok.mp4", "notes.pdf"):
        (tmp_path / name).write_bytes(b"x")
    assert custom_corpus.skeleton(tmp_path).count("\n") == 3
    reasons = "1 no media ending: .pdf; 1 resource fork of a Mac: ._ok.mp4"
    alike = "names that differ only by case or Unicode form: OK.wav and ok.wav; each is a clip"
    assert caplog.messages == [f"{tmp_path}: passed over: 2 ({reasons})", f"{tmp_path}: {alike}"]
    for path in tmp_path.glob("*.wav"):
        path.unlink()
    with pytest.raises(CorpusError, match=r"no clips in it or below; passed over: 2 \(1 no media"):
        custom_corpus.skeleton(tmp_path)


def test_clips_that_cannot_be_used_are_said(tmp_path, caplog, monkeypatch):
    write_audio(tmp_path / "a.wav")
    (tmp_path / "b.wav").write_bytes(LFS)
    rows = [f"{name}.wav,,{'xy'[k % 2]},{k},," for k, name in enumerate("abc")]
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(["clip,text,label,speaker,dialogue,split", *rows]))
    assert custom_corpus.modalities(tmp_path, annotations.read(path)) == ["audio"]
    expected = f"2 of 3 clips cannot be used: {tmp_path / 'b.wav'}: a pointer of Git LFS"
    assert caplog.messages[0].startswith(expected)


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


def test_the_check_says_sizes_rows_left_out_and_defects(tmp_path, monkeypatch, caplog):
    for name in ("params", "dvc.yaml"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    splits = ("train", "train", "dev", "test", "test", "test")
    labels = ("joy", "anger", "joy", "anger", "fear", "")
    rows = [f",Row {k}.,{labels[k]},,,{splits[k]}" for k in range(6)]
    Path("mine.csv").write_text(
        "\n".join(["clip,text,label,speaker,dialogue,split", *rows, ",,,,,"])
    )
    Path("clips").mkdir()
    with caplog.at_level("INFO", "merflow"):
        custom_corpus.prepare("mine", Path("clips"), False)
    assert caplog.messages[:4] == [
        "mine.csv: 5 utterances: anger 2, fear 1, joy 2; left out: rows without label 1, rows"
        " without any value 1; train, dev and test as given",
        "class absent from dev: anger (2 in all); fear (1 in all); kept; epochs are selected"
        " without it",
        "class absent from train: fear (1 in all); kept; no system learns it",
        "class absent from test: joy (2 in all); kept; it has no precision, recall or F1",
    ]


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


def test_a_video_of_unknown_codec_is_audio_alone(tmp_path: Path) -> None:
    data = write_video(tmp_path / "a.mp4").read_bytes()
    start = data.rindex(b"mp4v")
    data = data[:start] + b"zzz1" + data[start + 4 :].replace(b"esds", b"free", 1)
    (tmp_path / "a.mp4").write_bytes(data)
    table = tmp_path / "mine.csv"
    table.write_text("clip,text,label,speaker,dialogue,split\n" + "a.mp4,,joy,,,train\n")
    labelled = annotations.read(table, labelled=False)
    assert custom_corpus.modalities(tmp_path, labelled) == ["audio"]


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


def test_a_file_in_place_of_the_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.wav").touch()
    with pytest.raises(CorpusError, match=r"a\.wav: is a file; name the folder of the clips"):
        custom_corpus.prepare("mine", Path("a.wav"), False)


@pytest.mark.parametrize(("folder", "source"), [("demo", "./demo"), ("clips", "clips")])
def test_a_folder_named_like_a_source_is_a_folder(tmp_path, folder, source):
    table = tmp_path / "mine.csv"
    rows = [f",words {k},{LABELS[k % 2]},{'abc'[k // 2]},," for k in range(6)]
    table.write_text("\n".join(["clip,text,label,speaker,dialogue,split", *rows]))
    labelled = annotations.read(table)
    (tmp_path / "params").symlink_to(ROOT / "params")
    (tmp_path / "dvc.yaml").symlink_to(ROOT / "dvc.yaml")
    with contextlib.chdir(tmp_path):
        text = custom_corpus.patch_text("mine", Path(folder), table, labelled, ["text"])
    assert yaml.safe_load(text)["corpora"]["mine"]["source"] == source
