"""New clips as a prepared corpus of their own, in a scratch folder."""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from merflow import artifacts, paths
from merflow.corpora import annotations
from merflow.corpora.annotations import Row
from merflow.corpora.custom import utterances_of
from merflow.corpora.file_names import Files, misnamed, same_form
from merflow.corpora.folders import Listing, list_clips
from merflow.corpora.transcripts import read_beside
from merflow.display import printable
from merflow.errors import CorpusError
from merflow.media.probe import ENDINGS, probe_all
from merflow.progress import log
from merflow.store import write_table


@dataclass(frozen=True)
class Clips:
    """A prepared corpus of clips to predict.

    Attributes:
        raw: folder that clips are relative to.
        folder: scratch folder, with utterances.parquet.
        utterances: columns of artifacts.UTTERANCES, sorted by id.
        failed: utterance -> why its clip cannot be opened.
        no_text: utterance -> why its .txt file cannot be read.
    """

    raw: Path
    folder: Path
    utterances: pd.DataFrame
    failed: dict[str, str]
    no_text: dict[str, str]

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
    if text and any("\ud800" <= character <= "\udfff" for character in text):
        raise CorpusError("--text: not UTF-8; write the text into a .txt file beside the clip")
    raw = target if target.is_dir() else target.parent
    clips = _of_table(target, table) if table else _of_clips(target, raw, text)
    files = Files(raw)
    names = {row.clip: files.locate(row.clip) or row.clip for row in clips.rows if row.clip}
    probes = probe_all([raw / name for name in names.values()], "clips")
    usable, failed = {}, dict(clips.failed)
    for row in [row for row in clips.rows if row.clip]:
        probe = probes[raw / names[row.clip]]
        if isinstance(probe, str):
            failed[row.utterance_id] = probe
        else:
            usable[row.line] = names[row.clip]
    utterances = utterances_of(clips.rows, usable)
    write_table(folder / paths.UTTERANCES, utterances, artifacts.UTTERANCES)
    return Clips(raw, folder, utterances, failed, clips.no_text)


@dataclass(frozen=True)
class _Described:
    """Rows of clips, and clips without a row.

    Attributes:
        rows: without labels.
        failed: clip -> why it has no row.
        no_text: utterance -> why its .txt file cannot be read.
    """

    rows: list[Row]
    failed: dict[str, str] = field(default_factory=dict)
    no_text: dict[str, str] = field(default_factory=dict)


def _of_table(target: Path, table: Path) -> _Described:
    """Read the rows of the CSV that belong to `target`, in their order."""
    content = annotations.read(table, labelled=False)
    rows = sorted([*content.rows, *content.unlabelled], key=lambda row: row.line)
    if target.is_dir():
        named = {same_form(row.clip) for row in rows}
        clips = (path.relative_to(target).as_posix() for path in list_clips(target).clips)
        if n_others := sum(same_form(clip) not in named for clip in clips):
            log.info("%s: %d clips that %s does not name", target, n_others, table)
        return _Described(rows)
    rows = [row for row in rows if same_form(row.clip) == same_form(target.name)]
    if not rows:
        raise CorpusError(f"{table}: no row for clip {target.name}; add one")
    return _Described(rows)


def _of_clips(target: Path, raw: Path, text: str | None) -> _Described:
    """Make a row of each clip in or below `target`."""
    listing = list_clips(target) if target.is_dir() else _listing_of(target)
    for message in listing.messages:
        log.warning(message)
    if not (listing.clips or listing.misnamed):
        raise CorpusError(
            f"{target}: no clip in it; {listing.summary or 'no file at all'}; "
            f"known endings: {', '.join(ENDINGS)}"
        )
    described = _Described([])
    for clip, reason in listing.misnamed.items():
        described.failed[printable(clip.relative_to(raw).as_posix())] = reason
    for line, clip in enumerate(listing.clips):
        name = clip.relative_to(raw).as_posix()
        try:
            of_clip = read_beside(clip) if text is None or target.is_dir() else text
        except CorpusError as error:
            described.no_text[name], of_clip = str(error), ""
        described.rows.append(Row(line, name, of_clip, "", "", "", ""))
    return described


def _listing_of(clip: Path) -> Listing:
    """List a single file, whatever its ending."""
    reason = misnamed(Path(clip.name))
    return Listing(clip.parent, misnamed={clip: reason}) if reason else Listing(clip.parent, [clip])
