"""New clips as a prepared corpus of their own, in a scratch folder."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from merflow import artifacts, paths
from merflow.corpora import annotations
from merflow.corpora.annotations import Row
from merflow.corpora.custom import SUFFIXES, find_clips, text_beside, utterances_of
from merflow.errors import CorpusError
from merflow.media.probe import probe_all
from merflow.store import write_table


@dataclass(frozen=True)
class Clips:
    """A prepared corpus of clips to predict.

    Attributes:
        raw: folder that clips are relative to.
        folder: scratch folder, with utterances.parquet.
        utterances: columns of artifacts.UTTERANCES, sorted by id.
        failed: utterance -> why its clip cannot be opened.
    """

    raw: Path
    folder: Path
    utterances: pd.DataFrame
    failed: dict[str, str]

    @property
    def table(self) -> Path:
        """File of the utterances."""
        return self.folder / paths.UTTERANCES

    @property
    def ids(self) -> set[str]:
        """Utterances that have not failed."""
        return set(self.utterances["utterance_id"]) - set(self.failed)


def prepare(target: Path, text: str | None, table: Path | None, folder: Path) -> Clips:
    """Prepare a clip, or every clip below a folder.

    Args:
        target: file or folder.
        text: transcript of a single clip; None: the .txt file beside it.
        table: CSV with columns clip and text, and dialogue where turns belong together. Only clips
            that it names count.
        folder: an empty folder for utterances.parquet and for all that later steps make.

    Raises:
        CorpusError: there is no clip, or the CSV is malformed.
    """
    if not target.exists():
        raise CorpusError(f"{target}: no such clip or folder")
    raw = target if target.is_dir() else target.parent
    rows = _rows_of_table(target, table) if table else _rows_of_clips(target, raw, text)
    probes = probe_all([raw / row.clip for row in rows if row.clip], "clips")
    usable, failed = {}, {}
    for row in [row for row in rows if row.clip]:
        probe = probes[raw / row.clip]
        if isinstance(probe, str):
            failed[row.utterance_id] = probe
        else:
            usable[row.line] = row.clip
    clips = Clips(raw, folder, utterances_of(rows, usable), failed)
    write_table(clips.table, clips.utterances, artifacts.UTTERANCES)
    return clips


def _rows_of_table(target: Path, table: Path) -> list[Row]:
    """Read the rows of the CSV that belong to `target`, in their order."""
    content = annotations.read(table, labelled=False)
    rows = sorted([*content.rows, *content.unlabelled], key=lambda row: row.line)
    if target.is_dir():
        return rows
    rows = [row for row in rows if row.clip == target.name]
    if not rows:
        raise CorpusError(f"{table}: no row for clip {target.name}; add one")
    return rows


def _rows_of_clips(target: Path, raw: Path, text: str | None) -> list[Row]:
    """Make a row of each clip in or below `target`, without labels."""
    clips = find_clips(target) if target.is_dir() else [target]
    if not clips:
        raise CorpusError(f"{target}: no clip in it; known endings: {', '.join(SUFFIXES)}")
    texts = [text_beside(clip) for clip in clips]
    if target.is_file() and text is not None:
        texts = [text]
    return [
        Row(line, clip.relative_to(raw).as_posix(), of_clip, "", "", "", "")
        for line, (clip, of_clip) in enumerate(zip(clips, texts, strict=True))
    ]
