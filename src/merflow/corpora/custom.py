"""One's own clips: a folder of recordings and a CSV file that says what is in them (merflow.corpora.annotations)."""

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
    """Read the rows with a label; a clip that is absent or cannot be opened is a defect, and the utterance stays.

    Args:
        root: folder that the clips' paths are relative to.
        annotations: what the file says.

    Raises:
        CorpusError: clips are named and none of them is there.
    """
    named = [root / row.clip for row in annotations.rows if row.clip]
    probes = probe_all(named, "clips")
    defects = [
        Defect(None, "label empty", f"line {row.line}: {row.utterance_id}", "left out")
        for row in annotations.unlabelled
    ]
    if named and not any(path.exists() for path in named):
        first = next(row for row in annotations.rows if row.clip)
        raise CorpusError(
            f"{root}: holds none of the {len(named)} clips, the first is {first.clip} (line {first.line}); see column clip"
        )
    turns = Counter[str]()
    rows = []
    for row in annotations.rows:
        rows.append(
            _utterance(
                row,
                turns[row.dialogue_id],
                row.clip if _usable(row, root, probes, defects) else None,
            )
        )
        turns[row.dialogue_id] += 1
    defects += _shared_speakers(annotations)
    return Corpus(
        pd.DataFrame(rows, columns=artifacts.UTTERANCES.names).sort_values(
            "utterance_id", ignore_index=True
        ),
        defects,
    )


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


def _usable(row: Row, root: Path, probes: dict[Path, Probe | str], defects: list[Defect]) -> bool:
    if not row.clip:
        return False
    found = probes[root / row.clip]
    if isinstance(found, Probe):
        return True
    there = (root / row.clip).exists()
    detail = (
        f"line {row.line}: {found}"
        if there
        else f"line {row.line}: no such file in {root}; added later? remove {root} and run again"
    )
    defects.append(
        Defect(
            row.utterance_id,
            "clip unreadable" if there else "clip absent",
            detail,
            "text kept" if row.text else "no use",
        )
    )
    return False


def _shared_speakers(annotations: Annotations) -> list[Defect]:
    """Speakers that a given split has in train and in test: its scores are not those of a new speaker."""
    of = {
        part: {row.speaker for row in annotations.rows if row.split == part and row.speaker}
        for part in ("train", "test")
    }
    return [
        Defect(None, "speaker in train and test", speaker, "kept as given")
        for speaker in sorted(of["train"] & of["test"])
    ]
