"""Read a custom corpus: a folder of clips, and annotations (merflow.corpora.annotations)."""

from collections import Counter
from pathlib import Path

import pandas as pd

from merflow import artifacts
from merflow.artifacts import Defect
from merflow.corpora.annotations import Annotations, Row
from merflow.corpora.corpus import Corpus
from merflow.errors import CorpusError
from merflow.media.probe import Probe, probe_all


def read_utterances(root: Path, annotations: Annotations) -> Corpus:
    """Read the labelled rows; an absent or broken clip is a defect.

    The utterance of a defective clip stays, without clip.

    Args:
        root: folder that the clips' paths are relative to.
        annotations: rows of the CSV file.

    Raises:
        CorpusError: clips are named, and none of them exists.
    """
    with_clip = [row for row in annotations.rows if row.clip]
    probes = probe_all([root / row.clip for row in with_clip], "clips")
    if with_clip and not any((root / row.clip).exists() for row in with_clip):
        first = with_clip[0]
        raise CorpusError(
            f"{root}: holds none of the {len(with_clip)} clips, the first is {first.clip} "
            f"(line {first.line}); see column clip"
        )
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
    turns = Counter[str]()
    utterances = []
    for row in annotations.rows:
        utterances.append(_utterance(row, turns[row.dialogue_id], clips.get(row.line)))
        turns[row.dialogue_id] += 1
    table = pd.DataFrame(utterances, columns=artifacts.UTTERANCES.names)
    return Corpus(table.sort_values("utterance_id", ignore_index=True), defects)


def _utterance(row: Row, turn: int, clip: str | None) -> dict[str, object]:
    return {
        "utterance_id": row.utterance_id,
        "dialogue_id": row.dialogue_id,
        "turn": turn,  # the order of rows
        "speaker": row.speaker,
        "text": row.text or None,
        "clip": clip,
        "labels": [row.label],
        "official_split": row.split or None,
    }


def _clip_defect(row: Row, root: Path, reason: str) -> Defect:
    kind = "clip unreadable"
    if not (root / row.clip).exists():
        kind = "clip absent"
        reason = f"no such file in {root}; added later? remove {root} and run again"
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
