from pathlib import Path

import pytest
from support.tiny_media import write_sound, write_video

from merflow.corpora import iemocap
from merflow.errors import CorpusError

HEAD = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
VOTES = "C-E2:\tNeutral;\t()\nA-E3:\tval 3; act 2; dom  2;\t(caf\xe9)\n\n"


def write(root: Path, dialogue: str, turns: list[tuple], texts: list[str] | None = None) -> None:
    folder = root / f"Session{int(dialogue[3:5])}" / "dialog"
    for name in ("EmoEvaluation", "transcriptions"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    lines = [
        f"[{start:.4f} - {end:.4f}]\t{dialogue}_{turn}\t{code}\t[2.5000, 2.5000, 2.5000]\n"
        for turn, start, end, code in turns
    ]
    (folder / "EmoEvaluation" / f"{dialogue}.txt").write_text(
        HEAD + "".join(line + VOTES for line in lines), encoding="latin-1"
    )
    spoken = (
        [
            f"{dialogue}_{turn} [{start:08.4f}-{end:08.4f}]: Text of {turn}."
            for turn, start, end, _ in turns
        ]
        if texts is None
        else texts
    )
    (folder / "transcriptions" / f"{dialogue}.txt").write_text(
        "\n".join(spoken if texts is None else texts) + "\n"
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    top = tmp_path / "IEMOCAP_full_release"
    write(
        top,
        "Ses01F_impro01",
        [("M000", 0.6, 0.9, "exc"), ("F000", 0.1, 0.5, "neu"), ("F001", 1.2, 1.9, "xxx")],
    )
    write_video(top / "Session1/dialog/avi/DivX/Ses01F_impro01.avi", seconds=2.0)
    for session in range(2, 6):
        write(top, f"Ses0{session}M_script01_1b", [("F000", 0.0, 0.5, "ang")])
        write_sound(
            top
            / f"Session{session}/sentences/wav/Ses0{session}M_script01_1b/Ses0{session}M_script01_1b_F000.wav"
        )
    return tmp_path


def test_reads_turns_in_their_order_with_spans_in_the_dialogue(root: Path) -> None:
    corpus = iemocap.read_utterances(root)
    rows = corpus.utterances.set_index("utterance_id")
    assert list(rows.index[:3]) == [
        "Ses01F_impro01_F000",
        "Ses01F_impro01_M000",
        "Ses01F_impro01_F001",
    ]
    assert list(rows["turn"][:3]) == [0, 1, 2]
    second = rows.loc["Ses01F_impro01_M000"]
    assert (second.dialogue_id, second.speaker, second.session) == (
        "Ses01F_impro01",
        "Ses01M",
        "Ses01",
    )
    assert (second.start_s, second.end_s, second.labels, second.text) == (
        0.6,
        0.9,
        ["excitement"],
        "Text of M000.",
    )
    assert second["clip"] == "IEMOCAP_full_release/Session1/dialog/avi/DivX/Ses01F_impro01.avi"
    assert rows.loc["Ses01F_impro01_F001"].labels == ["no agreement"]
    assert rows["official_split"].isna().all()


def test_without_camera_file_the_sentence_sound_is_the_clip(root: Path) -> None:
    corpus = iemocap.read_utterances(root)
    row = corpus.utterances.set_index("utterance_id").loc["Ses02M_script01_1b_F000"]
    assert (
        row["clip"]
        == "IEMOCAP_full_release/Session2/sentences/wav/Ses02M_script01_1b/Ses02M_script01_1b_F000.wav"
    )
    assert row[["start_s", "end_s"]].isna().all()
    assert [(d.kind, d.detail) for d in corpus.defects] == [
        ("no video", "4 of 5 dialogues have no camera file (first: Ses02M_script01_1b.avi)")
    ]


def test_text_alone_is_one_defect(root: Path) -> None:
    for path in [*root.rglob("*.avi"), *root.rglob("*.wav")]:
        path.unlink()
    corpus = iemocap.read_utterances(root)
    assert corpus.utterances["clip"].isna().all() and corpus.utterances["text"].notna().all()
    assert [d.kind for d in corpus.defects] == ["no video", "no clips"]


def test_broken_media_and_odd_spans_are_named(root: Path) -> None:
    top = root / "IEMOCAP_full_release"
    turns = [("F000", 0.0, 0.0, "sad"), ("F001", 0.5, 9.0, "sad"), ("F002", 5.0, 6.0, "sad")]
    write(
        top,
        "Ses01F_impro02",
        turns,
        [
            "Ses01F_impro02_F000 [000.0000-000.0000]: Oh.",
            "M: Yeah.",
            "Ses01F_impro02_MXX0 [1.0-2.0]: Mhm.",
        ],
    )
    write_video(top / "Session1/dialog/avi/DivX/Ses01F_impro02.avi", seconds=1.0)
    write_sound(top / "Session1/sentences/wav/Ses01F_impro02/Ses01F_impro02_F002.wav")
    (top / "Session1/dialog/avi/DivX/Ses01F_impro01.avi").write_bytes(b"broken")
    (top / "Session1/dialog/EmoEvaluation/._Ses01F_impro01.txt").write_bytes(b"\0")
    corpus = iemocap.read_utterances(root)
    rows = corpus.utterances.set_index("utterance_id")
    assert rows.loc["Ses01F_impro02_F001", ["start_s", "end_s"]].tolist() == [0.5, 1.0]
    assert rows.loc["Ses01F_impro02_F002", "clip"].endswith("_F002.wav")
    assert {(d.utterance_id, d.kind) for d in corpus.defects} == {
        (None, "extra file"),
        (None, "not evaluated"),
        (None, "clip unreadable"),
        (None, "no video"),
        ("Ses01F_impro02_F000", "zero or negative span"),
        ("Ses01F_impro02_F001", "span beyond clip"),
        ("Ses01F_impro02_F002", "span beyond clip"),
        ("Ses01F_impro02_F001", "no text"),
        ("Ses01F_impro02_F002", "no text"),
        ("Ses01F_impro02_F000", "clip absent"),
        ("Ses01F_impro01_F000", "clip absent"),
        ("Ses01F_impro01_F001", "clip absent"),
        ("Ses01F_impro01_M000", "clip absent"),
    }
    assert sum(d.kind == "not evaluated" for d in corpus.defects) == 2


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\tneu\t", "\tbad\t", r"line \d+: unknown label 'bad'"),
        ("[0.1000 - ", "[0.1000 to ", r"line \d+: not '\[start - end\]"),
        ("_M000\t", "_F000\t", r"line \d+: turn Ses01F_impro01_F000 stands in an earlier line"),
        (
            "Ses01F_impro01_M000",
            "Ses01F_impro02_M000",
            r"line \d+: turn Ses01F_impro02_M000 does not belong",
        ),
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
    """The 4-way corpus of the literature: 5,531 utterances, 1,241 in session 5."""
    four = {"anger", "excitement", "happiness", "neutral", "sadness"}
    assert sum(number for label, number in iemocap.EXPECTED["all"].items() if label in four) == 5531
    assert (
        sum(number for label, number in iemocap.EXPECTED["Ses05"].items() if label in four) == 1241
    )
    assert (
        sum(sum(iemocap.EXPECTED[f"Ses0{session}"].values()) for session in range(1, 5))
        == 5531 - 1241
    )
