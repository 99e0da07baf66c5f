"""MELD: 13,708 utterances of 1,432 dialogues from the series Friends, as text, audio and video.

Poria et al. 2019, https://github.com/declare-lab/MELD. The annotation files name the utterances and
their times in the episode; each utterance has a clip of its own. Clips are joined by annotation,
never by listing the folders, which hold files that no annotation names. "#39" and the like are
issues of that repository.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from merflow import artifacts
from merflow.artifacts import Defect, Medium
from merflow.corpora import delimited
from merflow.corpora.corpus import Corpus, Source
from merflow.corpora.folders import others
from merflow.corpora.labels import CLASSES
from merflow.corpora.transcripts import mended, mended_defect, stripped
from merflow.errors import CorpusError
from merflow.media.probe import probe_all

TITLE = "MELD (Multimodal EmotionLines Dataset)"
LICENCE = "GPL-3.0 (annotations); the clips are footage of the series Friends"
_ARCHIVE = "http://web.eecs.umich.edu/~mihalcea/downloads/MELD.Raw.tar.gz"
HOW_TO_GET = (
    f"The archive (10.9 GB) is open: {_ARCHIVE}; where that host resets the connection, the "
    "publisher's mirror is huggingface.co/datasets/declare-lab/MELD, same file name. Unpack it, "
    "its inner archives too, and set corpora.meld.source to the folder. The three *_sent_emo.csv "
    "files of github.com/declare-lab/MELD alone run every text system."
)
SOURCES = (Source(_ARCHIVE, unpack=True),)
EXPECTED = {
    split: dict(zip(CLASSES["meld"], counts, strict=True))
    for split, counts in {
        "train": (4710, 1743, 1205, 1109, 683, 271, 268),
        "dev": (470, 163, 150, 153, 111, 22, 40),
        "test": (1256, 402, 281, 345, 208, 68, 50),
    }.items()
}

#: Split -> annotation file, folder of clips.
LAYOUT = {
    "train": ("train_sent_emo.csv", "train_splits"),
    "dev": ("dev_sent_emo.csv", "dev_splits_complete"),
    "test": ("test_sent_emo.csv", "output_repeated_splits_test"),
}
COLUMNS = (
    *("Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID"),
    *("Season", "Episode", "StartTime", "EndTime"),
)
SHORT_S, LONG_S = 0.25, 30.0  # spans outside are defects
CLIP_BOUND_S = 1.0  # clips are cut at frames; a larger difference from the span is another cut
CLIP_NOT_USED, CLIP_KEPT = "clip not used, text kept", "kept"


@dataclass(frozen=True)
class Report:
    """A defect that an issue of the repository reports.

    Attributes:
        issue: number of the issue.
        reason: text of the defect.
        clip_used: the clip is used all the same.
        medium: see `Defect`.
    """

    issue: str
    reason: str
    clip_used: bool
    medium: Medium | None = None


_MIS_CUT = "mis-cut: {} s for one sentence, in the annotation as well"
_DISTURBED = Report("#9", "disturbed sound", True, "audio")
_MISMATCHED = Report("#9", "text and pictures do not belong together", True)
#: Utterance -> reported defect.
REPORTED = {
    "train_dia125_utt3": Report("#39", "the clip is corrupt", False),
    "dev_dia110_utt7": Report("#22, #27", "the archive holds no clip", False),
    "test_dia38_utt4": Report("#20", _MIS_CUT.format(305), False),
    "test_dia220_utt0": Report("#20", _MIS_CUT.format(235), False),
    "train_dia529_utt2": _DISTURBED,
    "train_dia682_utt1": _DISTURBED,
    "train_dia793_utt0": _DISTURBED,
    "train_dia1008_utt1": _DISTURBED,
    "train_dia1029_utt1": _DISTURBED,
    "train_dia485_utt0": _MISMATCHED,
    "train_dia757_utt7": _MISMATCHED,
}


@dataclass(frozen=True)
class Row:
    """One line of an annotation file; times in milliseconds of the episode."""

    split: str
    dialogue: int
    turn: int
    speaker: str
    text: str
    emotion: str
    episode: str
    start_ms: int
    end_ms: int
    odd_times: str

    @property
    def utterance_id(self) -> str:
        """Split, dialogue and turn: dialogue numbers restart in every split."""
        return f"{self.split}_dia{self.dialogue}_utt{self.turn}"

    @property
    def file_name(self) -> str:
        """Name of the clip in the folder of its split."""
        return f"dia{self.dialogue}_utt{self.turn}.mp4"

    @property
    def span_s(self) -> float:
        """Length by annotation."""
        return (self.end_ms - self.start_ms) / 1000

    @property
    def origin(self) -> str:
        """Episode and times, in one form for all rows."""
        return f"{self.episode} {_clock(self.start_ms)}-{_clock(self.end_ms)}"


def read_utterances(root: Path) -> Corpus:
    """Read MELD's annotation files below `root`, and its clips if there are any.

    Raises:
        CorpusError: an annotation file is missing, doubled or malformed.
    """
    files = {split: _annotation_file(root, split) for split in LAYOUT}
    rows = [row for split, path in files.items() for row in _read_annotations(path, split)]
    clips, clip_defects = _clips(root, rows)
    named = {path for name, folder in LAYOUT.values() for path in _all_below(root, name, folder)}
    utterances = pd.DataFrame(
        [
            {
                "utterance_id": row.utterance_id,
                "dialogue_id": f"{row.split}_dia{row.dialogue}",
                "turn": row.turn,
                "speaker": mended(row.speaker),
                "text": mended(row.text).strip() or None,
                "clip": clips.get(row.utterance_id),
                "labels": [row.emotion],
                "official_split": row.split,
                "origin": row.origin,
            }
            for row in rows
        ],
        columns=artifacts.UTTERANCES.names,
    )
    row_defects = [defect for row in rows for defect in _row_defects(row)]
    return Corpus(
        utterances, [*row_defects, *_repeated_spans(rows), *clip_defects, *others(root, named)]
    )


def _annotation_file(root: Path, split: str) -> Path:
    name = LAYOUT[split][0]
    paths = sorted(root.rglob(name))
    if not paths:
        files = ", ".join(file for file, _ in LAYOUT.values())
        raise CorpusError(f"{root}: {name} is missing; MELD needs {files}, in any folder below")
    if len({path.read_bytes() for path in paths}) > 1:
        listed = _listed(paths, root)
        raise CorpusError(f"{root}: several {name} that differ ({listed}); keep one")
    return paths[0]


def _read_annotations(path: Path, split: str) -> list[Row]:
    rows: dict[str, Row] = {}
    for line in delimited.read(path, COLUMNS, advice="get the file again").rows:
        where = f"{path}, line {line.number}"
        row = _row(line.values, split, where)
        if row.utterance_id in rows:
            raise CorpusError(
                f"{where}: Dialogue_ID {row.dialogue}, Utterance_ID {row.turn} stands in "
                "an earlier line too"
            )
        rows[row.utterance_id] = row
    if not rows:
        raise CorpusError(f"{path}: no utterances in it; get the file again")
    return list(rows.values())


def _row(fields: dict[str, str], split: str, where: str) -> Row:
    emotion, classes = fields["Emotion"], CLASSES["meld"]
    if emotion not in classes:
        raise CorpusError(f"{where}: unknown emotion {emotion!r}; known: {', '.join(classes)}")
    for name in ("Dialogue_ID", "Utterance_ID", "Season", "Episode"):
        if not re.fullmatch(r"[0-9]{1,6}", fields[name]):
            raise CorpusError(f"{where}: {name} is {fields[name]!r}, not a number")
    if not fields["Speaker"].strip():
        raise CorpusError(f"{where}: no speaker")
    times = [fields["StartTime"], fields["EndTime"]]
    return Row(
        split=split,
        dialogue=int(fields["Dialogue_ID"]),
        turn=int(fields["Utterance_ID"]),
        speaker=fields["Speaker"],
        text=stripped(fields["Utterance"]),
        emotion=emotion,
        episode=f"s{int(fields['Season']):02d}e{int(fields['Episode']):02d}",
        start_ms=_milliseconds(times[0], where),
        end_ms=_milliseconds(times[1], where),
        odd_times=", ".join(time for time in times if not re.search(r",[0-9]{3}$", time)),
    )


def _milliseconds(time: str, where: str) -> int:
    # in a quarter of the rows hours have one digit; three times have fewer than three digits of
    # milliseconds
    match = re.fullmatch(r"([0-9]{1,2}):([0-5][0-9]):([0-5][0-9]),([0-9]{1,3})", time)
    if not match:
        raise CorpusError(f"{where}: time {time!r} is not HH:MM:SS,mmm")
    hours, minutes, seconds, milliseconds = map(int, match.groups())
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + milliseconds


def _clock(ms: int) -> str:
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d},{ms % 1000:03d}"


def _row_defects(row: Row) -> Iterator[Defect]:
    name, span = row.utterance_id, f"{row.span_s:.3f} s"
    if row.span_s <= 0:
        yield Defect(name, "zero or negative span", span, CLIP_KEPT)
    elif row.span_s < SHORT_S:
        yield Defect(name, "short span", f"{span}, under {SHORT_S} s", CLIP_KEPT)
    elif row.span_s > LONG_S:
        yield Defect(name, "long span", f"{span}, over {LONG_S:.0f} s", CLIP_NOT_USED)
    if row.odd_times:
        action = "digits after the comma read as milliseconds"
        yield Defect(name, "odd time", row.odd_times, action)
    if not row.text:
        yield Defect(name, "no text", "the field Utterance is empty", "no text", "text")
    if defect := mended_defect(name, row.speaker + row.text):
        yield defect
    if report := REPORTED.get(name):
        detail = f"{report.reason} (MELD issue {report.issue})"
        action = CLIP_KEPT if report.clip_used else CLIP_NOT_USED
        yield Defect(name, "known", detail, action, report.medium)


def _repeated_spans(rows: list[Row]) -> Iterator[Defect]:
    same: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        same[row.origin].append(row)
    for first, *repeats in same.values():
        for row in repeats:
            kind = "repeated span" if row.split == first.split else "span in two splits"
            labels = "same label"
            if row.emotion != first.emotion:
                labels = f"{first.emotion} there, {row.emotion} here"
            detail = f"{row.origin} is {first.utterance_id} too ({labels})"
            yield Defect(row.utterance_id, kind, detail, "kept, as the official split has it")


def _clips(root: Path, rows: list[Row]) -> tuple[dict[str, str], list[Defect]]:
    """Usable clips by utterance, relative to `root`, and the defects of clips."""
    defects: list[Defect] = []
    paths = _clip_files(root, rows, defects)
    clips = {}
    for path, result in probe_all(list(paths), "clips of meld").items():
        row, name = paths[path], path.relative_to(root).as_posix()
        if isinstance(result, str):
            detail = f"{name}: {result}"
            defects.append(Defect(row.utterance_id, "clip unreadable", detail, CLIP_NOT_USED))
            continue
        report = REPORTED.get(row.utterance_id)
        used = row.span_s <= LONG_S and (report is None or report.clip_used)
        if abs(result.duration_s - row.span_s) > CLIP_BOUND_S:
            used = used and result.duration_s <= LONG_S
            lengths = f"clip {result.duration_s:.3f} s, span {row.span_s:.3f} s"
            detail = f"{lengths}, more than {CLIP_BOUND_S:.0f} s apart"
            action = CLIP_KEPT if used else CLIP_NOT_USED
            defects.append(Defect(row.utterance_id, "clip length", detail, action))
        if used:
            clips[row.utterance_id] = name
    return clips, defects


def _clip_files(root: Path, rows: list[Row], defects: list[Defect]) -> dict[Path, Row]:
    """Clips that exist and the rows that name them; extra and absent files are defects."""
    named: dict[str, dict[str, Row]] = {split: {} for split in LAYOUT}
    for row in rows:
        named[row.split][row.file_name] = row
    folders = {split: _folder(root, name) for split, (_, name) in LAYOUT.items()}
    if absent := [split for split, folder in folders.items() if folder is None]:
        n_utterances = sum(len(named[split]) for split in absent)
        names = ", ".join(LAYOUT[split][1] for split in absent)
        defects.append(
            Defect(None, "no clips", f"no folder {names}: {n_utterances} utterances", "text only")
        )
    paths: dict[Path, Row] = {}
    for split, folder in folders.items():
        if folder is None:
            continue
        files = {path.name for path in folder.iterdir()}
        for name in sorted(files - named[split].keys()):
            detail = f"{(folder / name).relative_to(root)} is in no annotation"
            defects.append(Defect(None, "extra file", detail, "left out"))
        for name, row in named[split].items():
            if name in files:
                paths[folder / name] = row
            else:
                detail = f"no {(folder / name).relative_to(root)}"
                defects.append(Defect(row.utterance_id, "clip absent", detail, "text kept"))
    return paths


def _all_below(root: Path, file: str, folder: str) -> Iterator[Path]:
    """Annotation files and folders of a split, whose other files `_clip_files` counts."""
    yield from root.rglob(file)
    if path := _folder(root, folder):
        yield from path.iterdir()


def _folder(root: Path, name: str) -> Path | None:
    folders = sorted(path for path in root.rglob(name) if path.is_dir())
    if len(folders) > 1:
        raise CorpusError(f"{root}: several folders {name} ({_listed(folders, root)}); keep one")
    return folders[0] if folders else None


def _listed(paths: list[Path], root: Path) -> str:
    return ", ".join(str(path.relative_to(root)) for path in paths)
