"""IEMOCAP: 10,039 turns of ten actors in five sessions, scripted and improvised.

Busso et al. 2008, https://sail.usc.edu/iemocap. EmoEvaluation files name the turns, their times in
the dialogue and the majority label of the annotators. The camera files hold whole dialogues with
both speakers in view and in the audio. The sentence files (sentences/wav) hold the audio of one
turn. So audio is of the sentence file, and frames of the camera file.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from merflow import artifacts
from merflow.artifacts import Defect, Medium
from merflow.corpora.corpus import Corpus, Source
from merflow.corpora.folders import others
from merflow.corpora.labels import IEMOCAP_CODES
from merflow.corpora.transcripts import (
    decode_published,
    lines,
    mended,
    mended_defect,
    refuse_pointer,
    stripped,
)
from merflow.errors import CorpusError
from merflow.media.probe import SLACK_S, Probe, probe_all

TITLE = "IEMOCAP (Interactive Emotional Dyadic Motion Capture)"
LICENCE = (
    "research licence of the University of Southern California, one per group; no redistribution"
)
HOW_TO_GET = (
    "Fill in the licence form at https://sail.usc.edu/iemocap/iemocap_release.htm; the Signal "
    "Analysis and Interpretation Laboratory answers with a download link. Unpack "
    "IEMOCAP_full_release.tar.gz and set corpora.iemocap.source in params.yaml to that folder "
    "(the one that holds Session1 to Session5)."
)
SOURCES: tuple[Source, ...] = ()
#: From EmoEvaluation; "a+b" counts either label. The label file of the DialogueRNN line of work
#: (7,433 utterances) has 648 happiness, 144 of them in session 5. Here they are 595 and 143, which
#: the four-class literature confirms (5,531 utterances).
EXPECTED = {
    "all": {
        "neutral": 1708,
        "anger": 1103,
        "sadness": 1084,
        "happiness": 595,
        "excitement": 1041,
        "frustration": 1849,
    },
    "Ses01": {"anger+excitement+happiness+neutral+sadness": 1085},
    "Ses02": {"anger+excitement+happiness+neutral+sadness": 1023},
    "Ses03": {"anger+excitement+happiness+neutral+sadness": 1151},
    "Ses04": {"anger+excitement+happiness+neutral+sadness": 1031},
    "Ses05": {
        "neutral": 384,
        "anger": 170,
        "sadness": 245,
        "happiness": 143,
        "excitement": 299,
        "frustration": 381,
    },
}

SESSIONS = tuple(f"Session{number}" for number in range(1, 6))
TURN = re.compile(r"\[(\d+\.\d+) - (\d+\.\d+)\]\t(\S+)\t([a-z]{3})\t\[[^]]*\]\s*")
TURN_FORM = "'[start - end]<tab>turn<tab>label<tab>[v, a, d]'"
NAME = re.compile(r"(Ses\d\d[FM]_\w+)_([FM])\w*")  # dialogue, sex of the speaker
SPOKEN = re.compile(r"(Ses\d\d[FM]_\S+) \[[^]]*\]:\s*(.*)")
WAV_USED = "sentence sound used"  # the action where the camera file cannot serve
CAMERA_USED = "sound of the camera file used"  # the action where the sentence file cannot serve


@dataclass(frozen=True)
class Turn:
    """One line of an EmoEvaluation file; times in seconds of the dialogue."""

    utterance_id: str
    dialogue_id: str
    speaker: str
    label: str
    start_s: float
    end_s: float

    @property
    def session(self) -> str:
        """First five letters of the speaker, as in Ses01."""
        return self.speaker[:5]


def read_utterances(root: Path) -> Corpus:
    """Read the five sessions at `root` or one folder below it.

    Raises:
        CorpusError: a session is missing, or a line of an EmoEvaluation file is malformed.
    """
    top = _top(root)
    defects: list[Defect] = []
    rows: list[dict[str, Any]] = []
    for session in SESSIONS:
        dialogues = top / session / "dialog"
        for path in _evaluation_files(dialogues / "EmoEvaluation", root, defects):
            rows += _read_dialogue(path, dialogues / "transcriptions" / path.name, root, defects)
    clips = _Clips(root, top, defects)
    clips.add_to(rows)
    defects += others(root, clips.named(rows))
    return Corpus(pd.DataFrame(rows, columns=artifacts.UTTERANCES.names), defects)


def _top(root: Path) -> Path:
    """Folder that holds the sessions."""
    folders = (root, *sorted(root.glob("*/")))
    with_session = (
        folder for folder in folders if any((folder / name).is_dir() for name in SESSIONS)
    )
    top = next(with_session, root)
    evaluations = {name: top / name / "dialog" / "EmoEvaluation" for name in SESSIONS}
    if missing := [name for name, folder in evaluations.items() if not folder.is_dir()]:
        raise CorpusError(
            f"{top}: {', '.join(missing)}/dialog/EmoEvaluation missing; "
            f"all five sessions are needed. {HOW_TO_GET}"
        )
    return top


def _evaluation_files(folder: Path, root: Path, defects: list[Defect]) -> Iterator[Path]:
    """Evaluation files of a session; hidden copies that macOS archives hold are defects."""
    paths = sorted(folder.glob("*.txt"))
    for path in paths:
        if path.name.startswith("._"):
            defects.append(Defect(None, "extra file", str(path.relative_to(root)), "left out"))
        else:
            yield path
    if all(path.name.startswith("._") for path in paths):
        raise CorpusError(f"{folder}: no evaluation files (*.txt) in it")


def _read_dialogue(
    evaluation: Path, transcript: Path, root: Path, defects: list[Defect]
) -> list[dict[str, Any]]:
    """Utterances of a dialogue in order of time, without clips."""
    turns = _read_turns(evaluation)
    turns.sort(key=lambda turn: (turn.start_s, turn.end_s, turn.utterance_id))
    texts = _read_texts(transcript, root, {turn.utterance_id for turn in turns}, defects)
    rows = []
    for order, turn in enumerate(turns):
        text = texts.get(turn.utterance_id) or None
        if text is None:
            detail = f"not in transcriptions/{transcript.name}"
            defects.append(Defect(turn.utterance_id, "no text", detail, "no text", "text"))
        rows.append(
            {
                "utterance_id": turn.utterance_id,
                "dialogue_id": turn.dialogue_id,
                "turn": order,
                "speaker": turn.speaker,
                "session": turn.session,
                "text": text,
                "labels": [turn.label],
                "start_s": turn.start_s,
                "end_s": turn.end_s,
            }
        )
    return rows


def _read_turns(path: Path) -> list[Turn]:
    refuse_pointer(path)
    turns: dict[str, Turn] = {}
    for number, line in enumerate(lines(decode_published(path.read_bytes())[0]), 1):
        if not line.startswith("["):
            continue  # header and the votes of single annotators
        where = f"{path}: line {number}"
        match = TURN.fullmatch(line)
        name = NAME.fullmatch(match[3]) if match else None
        if not match or not name:
            raise CorpusError(f"{where}: not {TURN_FORM}: {line[:80]!r}")
        start, end, utterance_id, code = match.groups()
        dialogue_id, sex = name.groups()
        if dialogue_id != path.stem:
            raise CorpusError(
                f"{where}: turn {utterance_id} does not belong to dialogue {path.stem}"
            )
        if code not in IEMOCAP_CODES:
            raise CorpusError(f"{where}: unknown label {code!r}; known: {', '.join(IEMOCAP_CODES)}")
        if utterance_id in turns:
            raise CorpusError(f"{where}: turn {utterance_id} stands in an earlier line too")
        speaker, label = utterance_id[:5] + sex, IEMOCAP_CODES[code]
        turns[utterance_id] = Turn(
            utterance_id, dialogue_id, speaker, label, float(start), float(end)
        )
    if not turns:
        raise CorpusError(f"{path}: no turns in it; expected lines {TURN_FORM}")
    return list(turns.values())


def _read_texts(
    path: Path, root: Path, evaluated: set[str], defects: list[Defect]
) -> dict[str, str]:
    """Read texts by turn.

    A transcript also holds lines that no annotator evaluated: named ones (MXX0), and ones without
    name and time.
    """
    if not path.is_file():
        return {}
    refuse_pointer(path)
    where, texts, n_unnamed = path.relative_to(root), {}, 0
    content, is_utf8 = decode_published(path.read_bytes())
    if not is_utf8:
        defects.append(Defect(None, "not UTF-8", str(where), "read as cp1252", "text"))
    for line in filter(None, map(stripped, lines(content))):
        match = SPOKEN.fullmatch(line)
        if not match:
            n_unnamed += 1
        elif match[1] in evaluated:
            texts[match[1]] = mended(match[2])
            defects += filter(None, [mended_defect(match[1], match[2])])
        else:
            detail = f"{where}: {match[1]} is in no EmoEvaluation file"
            defects.append(Defect(None, "not evaluated", detail, "left out"))
    if n_unnamed:
        detail = f"{where}: {n_unnamed} lines without turn and time"
        defects.append(Defect(None, "not evaluated", detail, "left out"))
    return texts


@dataclass(frozen=True)
class _Clips:
    """Clips of utterances: frames of the dialogue's camera file, audio of the sentence's WAV.

    Each of the two files stands in for the other where that is absent or broken.
    """

    root: Path
    top: Path
    defects: list[Defect]

    def add_to(self, rows: list[dict[str, Any]]) -> None:
        """Set clip, start, end and audio of every utterance."""
        cameras = {row["dialogue_id"]: self._camera_file(row) for row in rows}
        probes = self._probe_cameras(list(cameras.values()))
        wavs = {row["utterance_id"]: self._wav_file(row) for row in rows}
        present = [path for path in wavs.values() if path.is_file()]
        wav_probes = probe_all(present, "sentences of iemocap")
        without_wav: list[str] = []
        without_any: list[str] = []
        for row in rows:
            camera, wav = cameras[row["dialogue_id"]], wavs[row["utterance_id"]]
            span = self._span(row, camera, probes.get(camera))
            audio = self._audio(row, wav, wav_probes.get(wav), bool(span))
            row["start_s"], row["end_s"] = span or (None, None)
            row["clip"], row["audio_clip"] = audio, None
            if span:
                row["clip"], row["audio_clip"] = camera.relative_to(self.root).as_posix(), audio
            if wav not in wav_probes:
                (without_wav if span else without_any).append(row["utterance_id"])
        self._flag_absent(without_any, len(rows))
        self._flag_without_wav(without_wav, len(rows))

    def named(self, rows: list[dict[str, Any]]) -> set[Path]:
        """Files of annotated dialogues and turns, and hidden copies, which are counted already."""
        named = {*self.top.glob("*/dialog/EmoEvaluation/._*.txt")}
        for row in rows:
            dialog, name = self.top / _session(row) / "dialog", f"{row['dialogue_id']}.txt"
            named |= {dialog / kind / name for kind in ("EmoEvaluation", "transcriptions")}
            named |= {self._camera_file(row), self._wav_file(row)}
        return named

    def _camera_file(self, row: dict[str, Any]) -> Path:
        return self.top / _session(row) / "dialog/avi/DivX" / f"{row['dialogue_id']}.avi"

    def _wav_file(self, row: dict[str, Any]) -> Path:
        folder = self.top / _session(row) / "sentences/wav" / row["dialogue_id"]
        return folder / f"{row['utterance_id']}.wav"

    def _probe_cameras(self, paths: list[Path]) -> dict[Path, Probe | str]:
        """Open the camera files that exist; absent and broken ones are defects."""
        probes = probe_all([path for path in paths if path.is_file()], "dialogues of iemocap")
        for path, result in probes.items():
            if isinstance(result, str):
                detail = f"{path.relative_to(self.root)}: {result}"
                self._flag(None, "clip unreadable", detail, WAV_USED, "frames")
        if absent := [path.name for path in paths if path not in probes]:
            dialogues = f"{len(absent)} of {len(paths)} dialogues"
            detail = f"{dialogues} have no camera file (first: {absent[0]})"
            self._flag(None, "no video", detail, f"{WAV_USED} where there is one", "frames")
        return probes

    def _span(
        self, row: dict[str, Any], camera: Path, probe: Probe | str | None
    ) -> tuple[float, float] | None:
        """Span of an utterance in its camera file; None: the camera file cannot serve."""
        utterance_id, start_s, end_s = row["utterance_id"], row["start_s"], row["end_s"]
        if end_s <= start_s:
            detail = f"{end_s - start_s:.3f} s"
            self._flag(utterance_id, "zero or negative span", detail, WAV_USED, "frames")
        if not isinstance(probe, Probe):
            return None
        span = probe.bounded(start_s, end_s)
        if end_s > start_s and (span is None or span[1] != end_s):
            length = f"{camera.name} has {probe.duration_s:.3f} s"
            detail = f"{start_s:.3f} to {end_s:.3f} s, {length}"
            if span:
                self._flag(utterance_id, "span beyond clip", detail, "ends with the clip")
            else:
                self._flag(utterance_id, "span beyond clip", detail, WAV_USED, "frames")
        return span

    def _audio(
        self, row: dict[str, Any], wav: Path, probe: Probe | str | None, has_camera: bool
    ) -> str | None:
        """Name of the sentence file; None: it cannot serve."""
        if probe is None:
            return None
        name = wav.relative_to(self.root).as_posix()
        if isinstance(probe, str):
            action = CAMERA_USED if has_camera else "clip not used, text kept"
            medium: Medium | None = "audio" if has_camera else None
            self._flag(row["utterance_id"], "clip unreadable", f"{name}: {probe}", action, medium)
            return None
        length_s = row["end_s"] - row["start_s"]
        if length_s > 0 and abs(probe.duration_s - length_s) > SLACK_S:
            detail = f"{probe.duration_s:.3f} s, the turn has {length_s:.3f} s"
            self._flag(row["utterance_id"], "sound of another length", detail, "kept", "audio")
        return name

    def _flag_without_wav(self, without: list[str], n_utterances: int) -> None:
        if without:
            detail = f"{len(without)} of {n_utterances} utterances have none (first: {without[0]})"
            self._flag(None, "no sentence sound", detail, CAMERA_USED, "audio")

    def _flag_absent(self, without: list[str], n_utterances: int) -> None:
        if len(without) == n_utterances:
            detail = f"neither camera nor sound files: {n_utterances} utterances"
            self._flag(None, "no clips", detail, "text only")
            return
        for utterance_id in without:
            detail = "neither camera nor sound file"
            self._flag(utterance_id, "clip absent", detail, "text kept")

    def _flag(
        self,
        utterance_id: str | None,
        kind: str,
        detail: str,
        action: str,
        medium: Medium | None = None,
    ) -> None:
        self.defects.append(Defect(utterance_id, kind, detail, action, medium))


def _session(row: dict[str, Any]) -> str:
    return f"Session{int(row['session'][3:])}"
