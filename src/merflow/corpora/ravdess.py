"""RAVDESS: 24 actors speak two sentences in eight emotions; face and voice, 1,440 utterances.

Livingstone & Russo 2018, https://doi.org/10.5281/zenodo.1188976. A file name is the annotation,
seven numbers: modality (01 audio and video, 02 video, 03 audio), channel (01 speech, 02 song),
emotion, intensity, statement, repetition, actor (odd: man, even: woman).
"""

import re
from collections import Counter, defaultdict
from pathlib import Path

import pandas as pd

from merflow import artifacts
from merflow.artifacts import Defect
from merflow.corpora.corpus import Corpus, Source
from merflow.corpora.folders import others
from merflow.corpora.labels import CLASSES
from merflow.errors import CorpusError
from merflow.media.probe import Probe, probe_all

TITLE = "RAVDESS (Ryerson Audio-Visual Database of Emotional Speech and Song)"
LICENCE = "CC BY-NC-SA 4.0"
HOW_TO_GET = (
    "Open download from https://zenodo.org/records/1188976: Video_Speech_Actor_01.zip to _24.zip "
    "(Audio_Speech_Actors_01-24.zip holds the audio alone). Unpacked by hand, set "
    "corpora.ravdess.source to their folder."
)
_FILES = "https://zenodo.org/records/1188976/files"
SOURCES = (
    Source(f"{_FILES}/Audio_Speech_Actors_01-24.zip?download=1", unpack=True),
    *(
        Source(f"{_FILES}/Video_Speech_Actor_{actor:02d}.zip?download=1", unpack=True, needed=False)
        for actor in range(1, 25)
    ),
)
#: 24 actors x 2 statements x 2 repetitions x 2 intensities; neutral has one intensity.
EXPECTED = {"all": {emotion: 96 if emotion == "neutral" else 192 for emotion in CLASSES["ravdess"]}}

STATEMENTS = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
MEDIA = (".mp4", ".wav", ".flac")
NAME = re.compile(r"(0[123])-(0[12])-(0[1-8])-(0[12])-(0[12])-(0[12])-(0[1-9]|1[0-9]|2[0-4])")
PREFERENCE = {"01": 0, "03": 1}  # modality -> rank; video without audio is not used


def read_utterances(root: Path) -> Corpus:
    """Read every speech file below `root`; audio and video are preferred to audio alone.

    Raises:
        CorpusError: there is no speech file.
    """
    candidates, defects = _find(root)
    if not candidates:
        raise CorpusError(
            f"{root}: no speech file such as 03-01-05-01-02-01-16.wav in it or below. {HOW_TO_GET}"
        )
    clips = _choose(candidates, root, defects)
    rows = []
    for utterance_id in sorted(candidates):
        _, emotion, _, statement, _, actor = utterance_id.split("-")
        rows.append(
            {
                "utterance_id": utterance_id,
                "dialogue_id": utterance_id,  # a take stands alone
                "turn": 0,
                "speaker": actor,
                "text": STATEMENTS[statement],
                "clip": clips.get(utterance_id),
                "labels": [CLASSES["ravdess"][int(emotion) - 1]],
            }
        )
    return Corpus(pd.DataFrame(rows, columns=artifacts.UTTERANCES.names), defects)


def _find(root: Path) -> tuple[dict[str, list[Path]], list[Defect]]:
    """Files of every speech utterance, best first; other files are defects."""
    candidates: dict[str, list[Path]] = defaultdict(list)
    defects, unused, names = [], Counter[str](), set()
    clips = sorted(path for path in root.rglob("*") if path.suffix in MEDIA)
    for path in clips:
        match = NAME.fullmatch(path.stem)
        if not match:
            detail = f"{path.relative_to(root)}: no RAVDESS name"
            defects.append(Defect(None, "extra file", detail, "left out"))
        elif match[2] == "02":
            unused["song"] += 1
        elif path.name in names:
            unused["duplicate"] += 1
        else:
            paths = candidates[path.stem[3:]]  # video without audio makes an utterance, too
            if match[1] in PREFERENCE:
                paths.append(path)
            else:
                unused["pictures only"] += 1
        names.add(path.name)
    defects += [
        Defect(None, f"{kind} file", f"{count} files", "left out")
        for kind, count in sorted(unused.items())
    ]
    defects += others(root, set(clips))
    for paths in candidates.values():
        paths.sort(key=lambda path: (PREFERENCE[path.name[:2]], MEDIA.index(path.suffix)))
    return candidates, defects


def _choose(candidates: dict[str, list[Path]], root: Path, defects: list[Defect]) -> dict[str, str]:
    """Best file of each utterance that can be opened, relative to `root`."""
    every_path = [path for paths in candidates.values() for path in paths]
    probes = probe_all(every_path, "clips of ravdess")
    clips = {}
    for utterance_id, paths in sorted(candidates.items()):
        for path in paths:
            name, result = path.relative_to(root).as_posix(), probes[path]
            if isinstance(result, Probe):
                clips[utterance_id] = name
                break
            action = "next best file used, or none"
            defects.append(Defect(utterance_id, "clip unreadable", f"{name}: {result}", action))
        if not paths:
            detail = "only pictures, no file with sound"
            defects.append(Defect(utterance_id, "clip absent", detail, "text kept"))
    return clips
