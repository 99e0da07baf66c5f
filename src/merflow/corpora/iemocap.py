"""IEMOCAP: 10,039 turns of ten actors in five sessions of two, acted from scripts and improvised.

Busso et al. 2008, https://sail.usc.edu/iemocap. EmoEvaluation files name the turns, their times in the dialogue and
the label that most annotators gave; the camera files hold whole dialogues with both speakers in the picture.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from merflow import artifacts
from merflow.artifacts import Defect
from merflow.corpora import schemes
from merflow.corpora.corpus import Corpus, Source
from merflow.corpora.labels import IEMOCAP_CODES
from merflow.errors import CorpusError
from merflow.media.probe import Probe, probe_all

TITLE = "IEMOCAP (Interactive Emotional Dyadic Motion Capture)"
LICENCE = (
    "research licence of the University of Southern California, one per group; no redistribution"
)
HOW_TO_GET = (
    "Fill in the licence form at https://sail.usc.edu/iemocap/iemocap_release.htm; the Signal Analysis and Interpretation Laboratory "
    "answers with a download link. Unpack IEMOCAP_full_release.tar.gz and set corpora.iemocap.source in params.yaml to that folder "
    "(the one that holds Session1 to Session5)."
)
SOURCES: tuple[Source, ...] = ()
#: From EmoEvaluation. "a+b" counts either. The 7,433-utterance label file of the DialogueRNN line of work has 648
#: happiness (144 in session 5); here they are 595 (143): 4-way literature counts (5,531) fit these and not those.
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
SCHEMES = tuple(schemes.SCHEMES["iemocap"])

SESSIONS = tuple(f"Session{number}" for number in range(1, 6))
TURN = re.compile(r"\[(\d+\.\d+) - (\d+\.\d+)\]\t(\S+)\t([a-z]{3})\t\[[^]]*\]\s*")
NAME = re.compile(r"(Ses\d\d[FM]_\w+)_([FM])\w*")  # dialogue, sex of the speaker
SPOKEN = re.compile(r"(Ses\d\d[FM]_\S+) \[[^]]*\]:\s*(.*)")


@dataclass(frozen=True)
class Turn:
    """One line of an EmoEvaluation file; times in seconds of the dialogue."""

    utterance_id: str
    dialogue_id: str
    speaker: str
    label: str
    start_s: float
    end_s: float


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
        for path in _files(dialogues / "EmoEvaluation", root, defects):
            turns = sorted(
                _read_turns(path), key=lambda turn: (turn.start_s, turn.end_s, turn.utterance_id)
            )
            texts = _read_texts(
                dialogues / "transcriptions" / path.name,
                root,
                {turn.utterance_id for turn in turns},
                defects,
            )
            for order, turn in enumerate(turns):
                if not texts.get(turn.utterance_id):
                    defects.append(
                        Defect(
                            turn.utterance_id,
                            "no text",
                            f"not in transcriptions/{path.name}",
                            "no text",
                        )
                    )
                rows.append(
                    {
                        "utterance_id": turn.utterance_id,
                        "dialogue_id": turn.dialogue_id,
                        "turn": order,
                        "speaker": turn.speaker,
                        "session": turn.speaker[:5],
                        "text": texts.get(turn.utterance_id) or None,
                        "labels": [turn.label],
                        "start_s": turn.start_s,
                        "end_s": turn.end_s,
                    }
                )
    _add_clips(rows, top, root, defects)
    return Corpus(pd.DataFrame(rows, columns=artifacts.UTTERANCES.names), defects)


def _top(root: Path) -> Path:
    found = next(
        (
            folder
            for folder in (root, *sorted(root.glob("*/")))
            if any((folder / name).is_dir() for name in SESSIONS)
        ),
        root,
    )
    if missing := [
        name for name in SESSIONS if not (found / name / "dialog" / "EmoEvaluation").is_dir()
    ]:
        raise CorpusError(
            f"{found}: {', '.join(missing)}/dialog/EmoEvaluation missing; all five sessions are needed. {HOW_TO_GET}"
        )
    return found


def _files(folder: Path, root: Path, defects: list[Defect]) -> Iterator[Path]:
    """Evaluation files of a session; hidden copies that macOS archives hold are defects."""
    paths = sorted(folder.glob("*.txt"))
    for path in paths:
        if path.name.startswith("._"):
            defects.append(Defect(None, "extra file", str(path.relative_to(root)), "left out"))
        else:
            yield path
    if all(path.name.startswith("._") for path in paths):
        raise CorpusError(f"{folder}: no evaluation files (*.txt) in it")


def _read(path: Path) -> list[str]:
    data = path.read_bytes()
    try:
        return data.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        return data.decode("latin-1").splitlines()  # annotators' comments; never fails


def _read_turns(path: Path) -> list[Turn]:
    turns: dict[str, Turn] = {}
    for number, line in enumerate(_read(path), 1):
        if not line.startswith("["):
            continue  # header and the votes of single annotators
        where = f"{path}: line {number}"
        match = TURN.fullmatch(line)
        name = NAME.fullmatch(match[3]) if match else None
        if not match or not name:
            raise CorpusError(
                f"{where}: not '[start - end]<tab>turn<tab>label<tab>[v, a, d]': {line[:80]!r}"
            )
        if name[1] != path.stem:
            raise CorpusError(f"{where}: turn {match[3]} does not belong to dialogue {path.stem}")
        if match[4] not in IEMOCAP_CODES:
            raise CorpusError(
                f"{where}: unknown label {match[4]!r}; known: {', '.join(IEMOCAP_CODES)}"
            )
        if match[3] in turns:
            raise CorpusError(f"{where}: turn {match[3]} stands in an earlier line too")
        turns[match[3]] = Turn(
            match[3],
            name[1],
            match[3][:5] + name[2],
            IEMOCAP_CODES[match[4]],
            float(match[1]),
            float(match[2]),
        )
    if not turns:
        raise CorpusError(
            f"{path}: no turns in it; expected lines '[start - end]<tab>turn<tab>label<tab>[v, a, d]'"
        )
    return list(turns.values())


def _read_texts(path: Path, root: Path, known: set[str], defects: list[Defect]) -> dict[str, str]:
    """Text by turn. The transcripts hold lines that nobody evaluated: named ones (MXX0) and ones without name and time."""
    if not path.is_file():
        return {}
    where, texts, unnamed = path.relative_to(root), {}, 0
    for line in filter(None, map(str.strip, _read(path))):
        match = SPOKEN.fullmatch(line)
        if not match:
            unnamed += 1
        elif match[1] in known:
            texts[match[1]] = match[2].strip()
        else:
            defects.append(
                Defect(
                    None,
                    "not evaluated",
                    f"{where}: {match[1]} is in no EmoEvaluation file",
                    "left out",
                )
            )
    if unnamed:
        defects.append(
            Defect(
                None, "not evaluated", f"{where}: {unnamed} lines without turn and time", "left out"
            )
        )
    return texts


def _add_clips(rows: list[dict[str, Any]], top: Path, root: Path, defects: list[Defect]) -> None:
    """Give every row the dialogue's camera file and its span in it, or else the sentence's own sound file."""
    videos = {
        row["dialogue_id"]: top / _session(row) / "dialog/avi/DivX" / f"{row['dialogue_id']}.avi"
        for row in rows
    }
    probes = probe_all([path for path in videos.values() if path.is_file()], "dialogues of iemocap")
    for path, found in probes.items():
        if isinstance(found, str):
            defects.append(
                Defect(
                    None,
                    "clip unreadable",
                    f"{path.relative_to(root)}: {found}",
                    "sentence sound used",
                )
            )
    if absent := [path.name for path in videos.values() if path not in probes]:
        detail = (
            f"{len(absent)} of {len(videos)} dialogues have no camera file (first: {absent[0]})"
        )
        defects.append(Defect(None, "no video", detail, "sentence sound used where there is one"))
    sounds: dict[Path, dict[str, Any]] = {}
    without = []
    for row in rows:
        if row["end_s"] <= row["start_s"]:
            detail = f"{row['end_s'] - row['start_s']:.3f} s"
            defects.append(
                Defect(row["utterance_id"], "zero or negative span", detail, "sentence sound used")
            )
        video = videos[row["dialogue_id"]]
        clip = probes.get(video)
        span = clip.part(row["start_s"], row["end_s"]) if isinstance(clip, Probe) else None
        if (
            isinstance(clip, Probe)
            and row["end_s"] > row["start_s"]
            and (span is None or span[1] != row["end_s"])
        ):
            detail = f"{row['start_s']:.3f} to {row['end_s']:.3f} s, {video.name} has {clip.duration_s:.3f} s"
            defects.append(
                Defect(
                    row["utterance_id"],
                    "span beyond clip",
                    detail,
                    "ends with the clip" if span else "sentence sound used",
                )
            )
        row["start_s"], row["end_s"] = span or (None, None)
        sound = (
            top
            / _session(row)
            / "sentences/wav"
            / row["dialogue_id"]
            / f"{row['utterance_id']}.wav"
        )
        if span:
            row["clip"] = video.relative_to(root).as_posix()
        elif sound.is_file():
            sounds[sound] = row
        else:
            without.append(row["utterance_id"])
    if len(without) == len(rows):
        defects.append(
            Defect(
                None,
                "no clips",
                f"neither camera nor sound files: {len(rows)} utterances",
                "text only",
            )
        )
    else:
        defects += [
            Defect(utterance_id, "clip absent", "neither camera nor sound file", "text kept")
            for utterance_id in without
        ]
    for path, found in probe_all(list(sounds), "sentences of iemocap").items():
        if isinstance(found, Probe):
            sounds[path]["clip"] = path.relative_to(root).as_posix()
        else:
            detail = f"{path.relative_to(root)}: {found}"
            defects.append(
                Defect(
                    sounds[path]["utterance_id"],
                    "clip unreadable",
                    detail,
                    "clip not used, text kept",
                )
            )


def _session(row: dict[str, Any]) -> str:
    return f"Session{int(row['session'][3:])}"
