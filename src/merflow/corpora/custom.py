"""Read a custom corpus: a folder of clips, and annotations (merflow.corpora.annotations)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from merflow import artifacts
from merflow.artifacts import Defect
from merflow.corpora.annotations import Annotations, Row
from merflow.corpora.corpus import Corpus
from merflow.errors import CorpusError
from merflow.media.probe import Probe, probe_all

SUFFIXES = (".avi", ".flac", ".m4a", ".m4v", ".mkv", ".mov", ".mp3", ".mp4", ".oga", ".ogg", ".wav")


def read_utterances(root: Path, annotations: Annotations) -> Corpus:
    """Read the labelled rows; an absent or broken clip is a defect.

    The utterance of a defective clip stays, without clip.

    Args:
        root: folder that the clips' paths are relative to.
        annotations: rows of the CSV file.

    Raises:
        CorpusError: clips are named, and none of them exists.
    """
    check_clips(root, annotations)
    with_clip = [row for row in annotations.rows if row.clip]
    probes = probe_all([root / row.clip for row in with_clip], "clips")
    defects = [
        Defect(None, "label empty", f"line {row.line}: {row.utterance_id}", "left out")
        for row in annotations.unlabelled
    ]
    clips = {}
    for row in with_clip:
        result = probes[root / row.clip]
        if isinstance(result, Probe):
            clips[row.line] = row.clip
        else:
            defects.append(_clip_defect(row, root, result))
    defects += _shared_speakers(annotations)
    return Corpus(utterances_of(annotations.rows, clips), defects)


def check_clips(root: Path, annotations: Annotations) -> None:
    """Refuse a folder that holds none of the clips.

    Raises:
        CorpusError: clips are named, and none of them exists.
    """
    with_clip = [row for row in annotations.rows if row.clip]
    if with_clip and not any((root / row.clip).exists() for row in with_clip):
        first = with_clip[0]
        raise CorpusError(
            f"{root}: holds none of the {len(with_clip)} clips, the first is {first.clip} "
            f"(line {first.line}); see column clip, and the folder that params.yaml names as source"
        )


def utterances_of(rows: Sequence[Row], clips: Mapping[int, str]) -> pd.DataFrame:
    """Build the table of utterances, sorted by id; turns follow the order of rows.

    Args:
        rows: of annotations.
        clips: line of a row -> its clip, if the clip can be opened.
    """
    turns = Counter[str]()
    utterances = []
    for row in rows:
        utterances.append(_utterance(row, turns[row.dialogue_id], clips.get(row.line)))
        turns[row.dialogue_id] += 1
    table = pd.DataFrame(utterances, columns=artifacts.UTTERANCES.names)
    return table.sort_values("utterance_id", ignore_index=True)


def find_clips(folder: Path) -> list[Path]:
    """List the clips below `folder`, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def text_beside(clip: Path) -> str:
    """Read the .txt file beside `clip` as one line; empty if there is none."""
    path = clip.with_suffix(".txt")
    return " ".join(path.read_text(encoding="utf-8").split()) if path.exists() else ""


def _utterance(row: Row, turn: int, clip: str | None) -> dict[str, object]:
    return {
        "utterance_id": row.utterance_id,
        "dialogue_id": row.dialogue_id,
        "turn": turn,  # the order of rows
        "speaker": row.speaker,
        "text": row.text or None,
        "clip": clip,
        "labels": [row.label] if row.label else [],
        "official_split": row.split or None,
    }


def _clip_defect(row: Row, root: Path, reason: str) -> Defect:
    kind = "clip unreadable"
    if not (root / row.clip).exists():
        kind = "clip absent"
        reason = f"no such file in {root}"
    action = "text kept" if row.text else "no use"
    return Defect(row.utterance_id, kind, f"line {row.line}: {reason}", action)


def _shared_speakers(annotations: Annotations) -> list[Defect]:
    """Speakers in train and test: scores do not hold for a new speaker."""
    train, test = (
        {row.speaker for row in annotations.rows if row.split == split and row.speaker}
        for split in ("train", "test")
    )
    return [
        Defect(None, "speaker in train and test", speaker, "kept as given")
        for speaker in sorted(train & test)
    ]
