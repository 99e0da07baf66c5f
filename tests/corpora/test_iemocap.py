from pathlib import Path

import pytest
from support.tiny_media import write_audio, write_video

from merflow.corpora import iemocap
from merflow.corpora.prepare import modalities
from merflow.errors import CorpusError

HEAD = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
VOTES = "C-E2:\tNeutral;\t()\nA-E3:\tval 3; act 2; dom  2;\t(caf\xe9)\n\n"


def write(root: Path, dialogue: str, turns: list[tuple], texts: list[str] | None = None) -> None:
    folder = root / f"Session{int(dialogue[3:5])}" / "dialog"
    for name in ("EmoEvaluation", "transcriptions"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    evaluation, transcript = HEAD, []
    for turn, start, end, code in turns:
        name, ratings = f"{dialogue}_{turn}", "[2.5000, 2.5000, 2.5000]"
        evaluation += f"[{start:.4f} - {end:.4f}]\t{name}\t{code}\t{ratings}\n{VOTES}"
        transcript.append(f"{name} [{start:08.4f}-{end:08.4f}]: Text of {turn}.")
    path = folder / "EmoEvaluation" / f"{dialogue}.txt"
    path.write_text(evaluation, encoding="latin-1")
    lines = transcript if texts is None else texts
    (folder / "transcriptions" / f"{dialogue}.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    top = tmp_path / "IEMOCAP_full_release"
    turns = [("M000", 0.6, 0.9, "exc"), ("F000", 0.1, 0.5, "neu"), ("F001", 1.2, 1.9, "xxx")]
    write(top, "Ses01F_impro01", turns)
    write_video(top / "Session1/dialog/avi/DivX/Ses01F_impro01.avi", seconds=2.0)
    for session in range(2, 6):
        dialogue = f"Ses0{session}M_script01_1b"
        write(top, dialogue, [("F000", 0.0, 0.5, "ang")])
        write_audio(top / f"Session{session}/sentences/wav" / dialogue / f"{dialogue}_F000.wav")
    return tmp_path


def test_reads_turns_in_their_order_with_spans_in_the_dialogue(root: Path) -> None:
    corpus = iemocap.read_utterances(root)
    rows = corpus.utterances.set_index("utterance_id")
    assert list(rows.index[:3]) == [f"Ses01F_impro01_{turn}" for turn in ("F000", "M000", "F001")]
    assert list(rows["turn"][:3]) == [0, 1, 2]
    second = rows.loc["Ses01F_impro01_M000"]
    place = (second.dialogue_id, second.speaker, second.session)
    assert place == ("Ses01F_impro01", "Ses01M", "Ses01")
    assert (second.start_s, second.end_s) == (0.6, 0.9)
    assert (second.labels, second.text) == (["excitement"], "Text of M000.")
    assert second["clip"] == "IEMOCAP_full_release/Session1/dialog/avi/DivX/Ses01F_impro01.avi"
    assert second["audio_clip"] is None
    assert rows.loc["Ses01F_impro01_F001"].labels == ["no agreement"]
    assert rows["official_split"].isna().all()


def test_transcripts_in_cp1252_and_control_characters_are_mended(root: Path) -> None:
    folder = root / "IEMOCAP_full_release/Session1/dialog/transcriptions"
    texts = {"F000": "don\x92t\x85 go", "M000": "caf\xe9", "F001": "plain"}
    lines = [f"Ses01F_impro01_{turn} [000-001]: {text}" for turn, text in texts.items()]
    path, extra = folder / "Ses01F_impro01.txt", folder / "Ses09F_impro01.txt"
    extra.write_text("of no dialogue")
    mended = ["don’t… go", "café", "plain"]
    for encoding, kind in (("latin-1", "not UTF-8"), ("utf-8", "marks of cp1252")):
        path.write_text("\n".join(lines), encoding=encoding)
        corpus = iemocap.read_utterances(root)
        assert corpus.utterances["text"].tolist()[:3] == mended
        kinds = {defect.kind: defect for defect in corpus.defects}
        assert set(kinds) == {kind, "no video", "no sentence sound", "other files"}
        assert extra.name in kinds["other files"].detail
    assert kinds["marks of cp1252"].utterance_id == "Ses01F_impro01_F000"


def test_without_camera_file_the_sentence_wav_is_the_clip(root: Path) -> None:
    corpus = iemocap.read_utterances(root)
    dialogue = "Ses02M_script01_1b"
    row = corpus.utterances.set_index("utterance_id").loc[f"{dialogue}_F000"]
    folder = f"IEMOCAP_full_release/Session2/sentences/wav/{dialogue}"
    assert row["clip"] == f"{folder}/{dialogue}_F000.wav"
    assert row[["start_s", "end_s", "audio_clip"]].isna().all()
    defect = corpus.defects[0]
    assert (defect.kind, defect.medium) == ("no video", "frames")
    assert defect.detail == f"4 of 5 dialogues have no camera file (first: {dialogue}.avi)"


def test_audio_is_the_sentence_wav_and_frames_the_camera_file(root: Path) -> None:
    """Sentence files of one turn fit, of one are broken, of one are absent."""
    folder = root / "IEMOCAP_full_release/Session1/sentences/wav/Ses01F_impro01"
    wav = write_audio(folder / "Ses01F_impro01_F000.wav", seconds=0.4)
    write_audio(folder / "Ses01F_impro01_M000.wav").write_bytes(b"broken")
    corpus = iemocap.read_utterances(root)
    rows = corpus.utterances.set_index("utterance_id").loc["Ses01F_impro01_F000":]
    assert rows["clip"].iloc[:3].str.endswith("Ses01F_impro01.avi").all()
    assert rows["audio_clip"].dropna().tolist() == [str(wav.relative_to(root))]
    assert rows["start_s"].iloc[:3].tolist() == [0.1, 0.6, 1.2]
    lines = {(defect.kind, defect.detail, defect.medium) for defect in corpus.defects[1:]}
    name = f"{folder.relative_to(root)}/Ses01F_impro01_M000.wav"
    reason = next(detail for kind, detail, _ in lines if kind == "clip unreadable")
    assert reason.startswith(f"{name}: ")
    first = "1 of 7 utterances have none (first: Ses01F_impro01_F001)"
    assert lines == {
        ("clip unreadable", reason, "audio"),
        ("no sentence sound", first, "audio"),
    }
    counts = modalities(corpus.utterances, root)
    assert (counts["audio"], counts["video"]) == (7, 3)


def test_a_sentence_wav_of_another_length_is_a_defect(root: Path) -> None:
    folder = root / "IEMOCAP_full_release/Session1/sentences/wav/Ses01F_impro01"
    write_audio(folder / "Ses01F_impro01_F000.wav", seconds=2.0)
    corpus = iemocap.read_utterances(root)
    (defect,) = [defect for defect in corpus.defects if defect.kind == "sound of another length"]
    assert defect.utterance_id == "Ses01F_impro01_F000"
    assert defect.detail == "2.000 s, the turn has 0.400 s"


def test_text_alone_is_one_defect(root: Path) -> None:
    for path in [*root.rglob("*.avi"), *root.rglob("*.wav")]:
        path.unlink()
    corpus = iemocap.read_utterances(root)
    assert corpus.utterances["clip"].isna().all() and corpus.utterances["text"].notna().all()
    assert [defect.kind for defect in corpus.defects] == ["no video", "no clips"]


def test_broken_media_and_odd_spans_are_named(root: Path) -> None:
    top = root / "IEMOCAP_full_release"
    turns = [("F000", 0.0, 0.0, "sad"), ("F001", 0.5, 9.0, "sad"), ("F002", 5.0, 6.0, "sad")]
    texts = [
        "Ses01F_impro02_F000 [000.0000-000.0000]: Oh.",
        "M: Yeah.",
        "Ses01F_impro02_MXX0 [1.0-2.0]: Mhm.",
    ]
    write(top, "Ses01F_impro02", turns, texts)
    write_video(top / "Session1/dialog/avi/DivX/Ses01F_impro02.avi", seconds=1.0)
    write_audio(top / "Session1/sentences/wav/Ses01F_impro02/Ses01F_impro02_F002.wav")
    (top / "Session1/dialog/avi/DivX/Ses01F_impro01.avi").write_bytes(b"broken")
    (top / "Session1/dialog/EmoEvaluation/._Ses01F_impro01.txt").write_bytes(b"\0")
    corpus = iemocap.read_utterances(root)
    rows = corpus.utterances.set_index("utterance_id")
    assert rows.loc["Ses01F_impro02_F001", ["start_s", "end_s"]].tolist() == [0.5, 1.0]
    assert rows.loc["Ses01F_impro02_F002", "clip"].endswith("_F002.wav")
    assert {(defect.utterance_id, defect.kind, defect.medium) for defect in corpus.defects} == {
        (None, "extra file", None),
        (None, "not evaluated", None),
        (None, "clip unreadable", "frames"),
        (None, "no video", "frames"),
        (None, "no sentence sound", "audio"),
        ("Ses01F_impro02_F000", "zero or negative span", "frames"),
        ("Ses01F_impro02_F001", "span beyond clip", None),
        ("Ses01F_impro02_F002", "span beyond clip", "frames"),
        ("Ses01F_impro02_F001", "no text", "text"),
        ("Ses01F_impro02_F002", "no text", "text"),
        ("Ses01F_impro02_F000", "clip absent", None),
        ("Ses01F_impro01_F000", "clip absent", None),
        ("Ses01F_impro01_F001", "clip absent", None),
        ("Ses01F_impro01_M000", "clip absent", None),
    }
    assert sum(defect.kind == "not evaluated" for defect in corpus.defects) == 2


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\tneu\t", "\tbad\t", r"line \d+: unknown label 'bad'"),
        ("[0.1000 - ", "[0.1000 to ", r"line \d+: not '\[start - end\]"),
        ("_M000\t", "_F000\t", r"line \d+: turn Ses01F_impro01_F000 stands in an earlier line"),
        ("impro01_M000", "impro02_M000", r"line \d+: turn Ses01F_impro02_M000 does not belong"),
    ],
)
def test_malformed_evaluations_are_refused(root: Path, old: str, new: str, message: str) -> None:
    path = root / "IEMOCAP_full_release/Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    path.write_text(path.read_text(encoding="latin-1").replace(old, new), encoding="latin-1")
    with pytest.raises(CorpusError, match=f"Ses01F_impro01.txt: {message}") as error:
        iemocap.read_utterances(root)
    assert "\n" not in str(error.value)


def test_all_five_sessions_are_needed(root: Path) -> None:
    for name in ("Session2", "Session4"):
        (root / "IEMOCAP_full_release" / name).rename(root / f"away{name}")
    with pytest.raises(CorpusError, match="Session2, Session4/dialog/EmoEvaluation missing"):
        iemocap.read_utterances(root)


def test_expected_counts_add_up() -> None:
    """Four classes of the literature: 5,531 utterances, 1,241 of them in session 5."""
    four = {"anger", "excitement", "happiness", "neutral", "sadness"}
    total, last = (
        sum(number for label, number in iemocap.EXPECTED[split].items() if label in four)
        for split in ("all", "Ses05")
    )
    assert (total, last) == (5531, 1241)
    per_session = [sum(iemocap.EXPECTED[f"Ses0{session}"].values()) for session in range(1, 5)]
    assert sum(per_session) == total - last
