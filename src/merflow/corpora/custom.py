"""Read a custom corpus: a folder of clips, and annotations (merflow.corpora.annotations)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from merflow import artifacts
from merflow.artifacts import Defect
from merflow.corpora.annotations import Annotations, Row
from merflow.corpora.corpus import Corpus
from merflow.corpora.file_names import Files
from merflow.corpora.folders import list_clips
from merflow.corpora.label_defects import absent_classes, names_alike
from merflow.corpora.split_defects import log_summary, split_defects, split_text
from merflow.corpora.transcripts import mended, mended_defect
from merflow.errors import CorpusError
from merflow.media.probe import Probe, probe_all
from merflow.progress import log


def read_utterances(root: Path, annotations: Annotations) -> Corpus:
    """Read the labelled rows; an absent or broken clip is a defect.

    The utterance of a defective clip stays, without clip.

    Args:
        root: folder that the clips' paths are relative to.
        annotations: rows of the CSV file.

    Raises:
        CorpusError: clips are named, and none of them exists, or two rows name one file.
    """
    with_clip = [row for row in annotations.rows if row.clip]
    files = Files(root)
    names = locate_clips(root, annotations, files)
    _refuse_one_clip_twice(with_clip, names)
    probes = probe_all([root / name for name in names.values()], "clips")
    defects = [
        Defect(None, "label empty", f"line {row.line}: {row.utterance_id}", "left out")
        for row in annotations.unlabelled
    ]
    clips: dict[int, str] = {}
    for row in with_clip:
        name = names.get(row.clip)
        probe = probes[root / name] if name else None
        if name and isinstance(probe, Probe):
            clips[row.line] = name
        else:
            reason = probe if isinstance(probe, str) else None
            defects.append(_clip_defect(row, reason, root, files))
    of_file = annotation_defects(annotations)
    log.info("%s", split_text(annotations))
    log_summary(of_file)
    defects += of_file
    defects += filter(None, (mended_defect(row.utterance_id, row.text) for row in annotations.rows))
    defects += _without_row(root, {files.locate(row.clip) for row in annotations.unlabelled}, names)
    return Corpus(utterances_of(annotations.rows, clips), defects)


def locate_clips(root: Path, annotations: Annotations, files: Files) -> dict[str, str]:
    """Find the file of each clip: its name in a row -> its path below `root`.

    Args:
        root: folder of the clips.
        annotations: rows; clips that are absent are left out.
        files: of `root`.

    Raises:
        CorpusError: clips are named, and none of them exists.
    """
    with_clip = [row for row in annotations.rows if row.clip]
    names = {row.clip: name for row in with_clip if (name := files.locate(row.clip))}
    if with_clip and not names:
        first = with_clip[0]
        raise CorpusError(
            f"{root}: holds none of the {len(with_clip)} clips, the first is {first.clip} "
            f"(line {first.line}); see column clip, and the folder that params.yaml names as source"
        )
    return names


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


def annotation_defects(annotations: Annotations) -> list[Defect]:
    """List the defects of the file alone: of its splits, names and classes."""
    return [
        *split_defects(annotations),
        *names_alike(annotations),
        *absent_classes(annotations),
    ]


def _utterance(row: Row, turn: int, clip: str | None) -> dict[str, object]:
    return {
        "utterance_id": row.utterance_id,
        "dialogue_id": row.dialogue_id,
        "turn": turn,  # the order of rows
        "speaker": row.speaker,
        "text": mended(row.text) or None,
        "clip": clip,
        "labels": [row.label] if row.label else [],
        "official_split": row.split or None,
    }


def _clip_defect(row: Row, reason: str | None, root: Path, files: Files) -> Defect:
    """Describe a clip that cannot be opened; without a reason, it is absent."""
    kind = "clip unreadable" if reason else "clip absent"
    if not reason and (similar := files.similar(row.clip)):
        reason = f"no such file in {root}, but {' and '.join(similar)}; write the name of the file"
    reason = reason or f"no such file in {root}"
    action = "text kept" if row.text else "no use"
    return Defect(row.utterance_id, kind, f"line {row.line}: {reason}", action)


def _without_row(root: Path, unlabelled: set[str | None], names: Mapping[str, str]) -> list[Defect]:
    """Count the files in the folder that no row names."""
    named = unlabelled | set(names.values())
    listing = list_clips(root)
    clips = (path.relative_to(root).as_posix() for path in listing.clips)
    defects = []
    if others := [clip for clip in clips if clip not in named]:
        detail = f"{len(others)} clips; the first is {others[0]}"
        defects.append(Defect(None, "clip without row", detail, "left out"))
    if listing.summary:
        defects.append(Defect(None, "other files", listing.summary, "not used"))
    return defects


def _refuse_one_clip_twice(rows: Sequence[Row], names: Mapping[str, str]) -> None:
    line_of: dict[str, int] = {}
    for row in rows:
        name = names.get(row.clip)
        if name and line_of.setdefault(name, row.line) != row.line:
            raise CorpusError(
                f"line {row.line}: clip {row.clip} is the file of line {line_of[name]}; "
                "an utterance has one row and one label"
            )
