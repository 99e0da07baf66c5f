"""MELD: 13,708 utterances of 1,432 dialogues from the series Friends, as text, sound and pictures.

Poria et al. 2019, https://github.com/declare-lab/MELD. The annotation files name the utterances and their times in
the episode; every clip is an own file. Clips are joined by annotation, never by listing the folders, which hold
files that no annotation names. "#39" and the like are issues of that repository.
"""

import csv
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from merflow import artifacts
from merflow.artifacts import Defect
from merflow.corpora import schemes
from merflow.corpora.corpus import Corpus, Source
from merflow.corpora.labels import CLASSES
from merflow.errors import CorpusError
from merflow.media.probe import probe_all

TITLE = "MELD (Multimodal EmotionLines Dataset)"
LICENCE = "GPL-3.0 (annotations); the clips are footage of the series Friends"
HOW_TO_GET = (
    "The archive (10.9 GB) is open: http://web.eecs.umich.edu/~mihalcea/downloads/MELD.Raw.tar.gz; where that host resets the "
    "connection, the publisher's mirror is huggingface.co/datasets/declare-lab/MELD, same file name. Unpack it, its inner archives too, "
    "and set corpora.meld.source to the folder. The three *_sent_emo.csv files of github.com/declare-lab/MELD alone run every text system."
)
SOURCES = (Source("http://web.eecs.umich.edu/~mihalcea/downloads/MELD.Raw.tar.gz", unpack=True),)
EXPECTED = {
    split: dict(zip(CLASSES["meld"], counts, strict=True))
    for split, counts in {
        "train": (4710, 1743, 1205, 1109, 683, 271, 268),
        "dev": (470, 163, 150, 153, 111, 22, 40),
        "test": (1256, 402, 281, 345, 208, 68, 50),
    }.items()
}
SCHEMES = tuple(schemes.SCHEMES["meld"])

#: Split -> annotation file, folder of clips.
LAYOUT = {
    "train": ("train_sent_emo.csv", "train_splits"),
    "dev": ("dev_sent_emo.csv", "dev_splits_complete"),
    "test": ("test_sent_emo.csv", "output_repeated_splits_test"),
}
COLUMNS = (
    "Utterance",
    "Speaker",
    "Emotion",
    "Dialogue_ID",
    "Utterance_ID",
    "Season",
    "Episode",
    "StartTime",
    "EndTime",
)
SHORT_S, LONG_S = 0.25, 30.0  # spans outside are defects
CLIP_BOUND_S = (
    1.0  # clips are cut at frames; a length further than this from the span is another cut
)

#: Utterance -> where it was reported, what is wrong, whether the clip is used all the same.
KNOWN_BROKEN = {
    "train_dia125_utt3": ("#39", "the clip is corrupt", False),
    "dev_dia110_utt7": ("#22, #27", "the archive holds no clip", False),
    "test_dia38_utt4": ("#20", "mis-cut: 305 s for one sentence, in the annotation as well", False),
    "test_dia220_utt0": (
        "#20",
        "mis-cut: 235 s for one sentence, in the annotation as well",
        False,
    ),
    "train_dia529_utt2": ("#9", "disturbed sound", True),
    "train_dia682_utt1": ("#9", "disturbed sound", True),
    "train_dia793_utt0": ("#9", "disturbed sound", True),
    "train_dia1008_utt1": ("#9", "disturbed sound", True),
    "train_dia1029_utt1": ("#9", "disturbed sound", True),
    "train_dia485_utt0": ("#9", "text and pictures do not belong together", True),
    "train_dia757_utt7": ("#9", "text and pictures do not belong together", True),
}
CLIP_NOT_USED, CLIP_KEPT = "clip not used, text kept", "kept"


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
        """Dialogue numbers restart in every split, hence the prefix."""
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
    """Read MELD's annotation files below `root`, and its clips where there are any.

    Raises:
        CorpusError: an annotation file is missing, doubled or malformed.
    """
    files = {split: _annotation_file(root, split) for split in LAYOUT}
    rows = [row for split, path in files.items() for row in _read_annotations(path, split)]
    clips, clip_defects = _clips(root, rows)
    utterances = pd.DataFrame(
        [
            {
                "utterance_id": row.utterance_id,
                "dialogue_id": f"{row.split}_dia{row.dialogue}",
                "turn": row.turn,
                "speaker": row.speaker,
                "text": row.text or None,
                "clip": clips.get(row.utterance_id),
                "labels": [row.emotion],
                "official_split": row.split,
                "origin": row.origin,
            }
            for row in rows
        ],
        columns=artifacts.UTTERANCES.names,
    )
    return Corpus(utterances, [*_row_defects(rows), *_repeated_spans(rows), *clip_defects])


def _annotation_file(root: Path, split: str) -> Path:
    name = LAYOUT[split][0]
    found = sorted(root.rglob(name))
    if not found:
        raise CorpusError(
            f"{root}: {name} is missing; MELD needs {', '.join(file for file, _ in LAYOUT.values())}, in any folder below"
        )
    if len({path.read_bytes() for path in found}) > 1:
        raise CorpusError(
            f"{root}: several {name} that differ ({', '.join(str(path.relative_to(root)) for path in found)}); keep one"
        )
    return found[0]


def _read_annotations(path: Path, split: str) -> list[Row]:
    rows: dict[str, Row] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            if reader.fieldnames is None:
                raise CorpusError(f"{path}: an empty file; get it again")
            if missing := [name for name in COLUMNS if name not in reader.fieldnames]:
                raise CorpusError(f"{path}: no column {missing[0]}; expected {', '.join(COLUMNS)}")
            for fields in reader:
                row = _row(fields, split, f"{path}: line {reader.line_num}")
                if row.utterance_id in rows:
                    raise CorpusError(
                        f"{path}: line {reader.line_num}: Dialogue_ID {row.dialogue}, Utterance_ID {row.turn} stands in an earlier line too"
                    )
                rows[row.utterance_id] = row
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{path}: not UTF-8 (byte {error.start}); MELD's annotation files are UTF-8, get the file again"
        ) from error
    except csv.Error as error:
        raise CorpusError(f"{path}: line {reader.line_num}: not CSV ({error})") from error
    if not rows:
        raise CorpusError(f"{path}: no utterances in it; get the file again")
    return list(rows.values())


def _row(fields: dict[str, str], split: str, where: str) -> Row:
    if None in fields or None in fields.values():
        raise CorpusError(f"{where}: another number of fields than the header")
    if fields["Emotion"] not in CLASSES["meld"]:
        raise CorpusError(
            f"{where}: unknown emotion {fields['Emotion']!r}; known: {', '.join(CLASSES['meld'])}"
        )
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
        text=fields["Utterance"].strip(),
        emotion=fields["Emotion"],
        episode=f"s{int(fields['Season']):02d}e{int(fields['Episode']):02d}",
        start_ms=_milliseconds(times[0], where),
        end_ms=_milliseconds(times[1], where),
        odd_times=", ".join(time for time in times if not re.search(r",[0-9]{3}$", time)),
    )


def _milliseconds(time: str, where: str) -> int:
    # hours have one digit in a quarter of the rows; three times print fewer than three digits of milliseconds
    match = re.fullmatch(r"([0-9]{1,2}):([0-5][0-9]):([0-5][0-9]),([0-9]{1,3})", time)
    if not match:
        raise CorpusError(f"{where}: time {time!r} is not HH:MM:SS,mmm")
    hours, minutes, seconds, milliseconds = map(int, match.groups())
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + milliseconds


def _clock(ms: int) -> str:
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d},{ms % 1000:03d}"


def _row_defects(rows: list[Row]) -> Iterator[Defect]:
    for row in rows:
        if row.span_s <= 0:
            yield Defect(
                row.utterance_id, "zero or negative span", f"{row.span_s:.3f} s", CLIP_KEPT
            )
        elif row.span_s < SHORT_S:
            yield Defect(
                row.utterance_id, "short span", f"{row.span_s:.3f} s, under {SHORT_S} s", CLIP_KEPT
            )
        elif row.span_s > LONG_S:
            yield Defect(
                row.utterance_id,
                "long span",
                f"{row.span_s:.3f} s, over {LONG_S:.0f} s",
                CLIP_NOT_USED,
            )
        if row.odd_times:
            yield Defect(
                row.utterance_id,
                "odd time",
                row.odd_times,
                "digits after the comma read as milliseconds",
            )
        if not row.text:
            yield Defect(row.utterance_id, "no text", "the field Utterance is empty", "no text")
        if row.utterance_id in KNOWN_BROKEN:
            issue, reason, used = KNOWN_BROKEN[row.utterance_id]
            yield Defect(
                row.utterance_id,
                "known",
                f"{reason} (MELD issue {issue})",
                CLIP_KEPT if used else CLIP_NOT_USED,
            )


def _repeated_spans(rows: list[Row]) -> Iterator[Defect]:
    same: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        same[row.origin].append(row)
    for first, *others in same.values():
        for row in others:
            kind = "span in two splits" if row.split != first.split else "repeated span"
            label = (
                "same label"
                if row.emotion == first.emotion
                else f"{first.emotion} there, {row.emotion} here"
            )
            yield Defect(
                row.utterance_id,
                kind,
                f"{row.origin} is {first.utterance_id} too ({label})",
                "kept, as the official split has it",
            )


def _clips(root: Path, rows: list[Row]) -> tuple[dict[str, str], list[Defect]]:
    """Usable clips by utterance, relative to `root`, and what is wrong with the others."""
    by_split = {
        split: {row.file_name: row for row in rows if row.split == split} for split in LAYOUT
    }
    folders = {
        split: folder for split, (_, name) in LAYOUT.items() if (folder := _folder(root, name))
    }
    absent = [split for split in LAYOUT if split not in folders]
    defects = []
    if absent:
        detail = f"no folder {', '.join(LAYOUT[split][1] for split in absent)}: {sum(len(by_split[split]) for split in absent)} utterances"
        defects.append(Defect(None, "no clips", detail, "text only"))
    paths: dict[Path, Row] = {}
    for split, folder in folders.items():
        names = {path.name for path in folder.iterdir()}
        for name in sorted(names - by_split[split].keys()):
            defects.append(
                Defect(
                    None,
                    "extra file",
                    f"{(folder / name).relative_to(root)} is in no annotation",
                    "left out",
                )
            )
        for name, row in by_split[split].items():
            if name in names:
                paths[folder / name] = row
            else:
                defects.append(
                    Defect(
                        row.utterance_id,
                        "clip absent",
                        f"no {(folder / name).relative_to(root)}",
                        "text kept",
                    )
                )
    clips = {}
    for path, found in probe_all(list(paths), "clips of meld").items():
        row = paths[path]
        used = row.span_s <= LONG_S and KNOWN_BROKEN.get(row.utterance_id, ("", "", True))[2]
        if isinstance(found, str):
            defects.append(
                Defect(
                    row.utterance_id,
                    "clip unreadable",
                    f"{path.relative_to(root)}: {found}",
                    CLIP_NOT_USED,
                )
            )
            continue
        if abs(found.duration_s - row.span_s) > CLIP_BOUND_S:
            used = used and found.duration_s <= LONG_S
            detail = f"clip {found.duration_s:.3f} s, span {row.span_s:.3f} s, more than {CLIP_BOUND_S:.0f} s apart"
            defects.append(
                Defect(
                    row.utterance_id, "clip length", detail, CLIP_KEPT if used else CLIP_NOT_USED
                )
            )
        if used:
            clips[row.utterance_id] = path.relative_to(root).as_posix()
    return clips, defects


def _folder(root: Path, name: str) -> Path | None:
    found = sorted(path for path in root.rglob(name) if path.is_dir())
    if len(found) > 1:
        raise CorpusError(
            f"{root}: several folders {name} ({', '.join(str(path.relative_to(root)) for path in found)}); keep one"
        )
    return found[0] if found else None
