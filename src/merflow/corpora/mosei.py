"""CMU-MOSEI: 23,259 segments of 3,295 YouTube monologues, six emotions, multi-label.

Bagher Zadeh et al. 2018, https://github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK. Labels and word
times are computational sequences (.csd, HDF5). Folds are lists of video ids. A video is one file,
with start and end per segment. Of other releases, `mosei_release` reads the list of segments.
"""

import ast
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from merflow import artifacts
from merflow.artifacts import Defect
from merflow.corpora.corpus import Corpus, Source
from merflow.corpora.csd import WORDS, Sequence, find, read_sequences, spoken
from merflow.corpora.folders import others
from merflow.corpora.labels import CLASSES
from merflow.corpora.mosei_release import NAME as RELEASE
from merflow.corpora.mosei_release import SAME_S, split_by_release
from merflow.corpora.transcripts import (
    decode_published,
    lines,
    mended,
    mended_defect,
    refuse_pointer,
    stripped,
)
from merflow.errors import CorpusError
from merflow.media.probe import Probe, probe_all
from merflow.progress import track

TITLE = "CMU-MOSEI (CMU Multimodal Opinion Sentiment and Emotion Intensity)"
LICENCE = "free for research (CMU-MultimodalSDK); the videos belong to their authors on YouTube"
HOW_TO_GET = (
    "The publisher's host immortal.multicomp.cs.cmu.edu has been unreachable since March 2025 at "
    "least. Where it answers: CMU_MOSEI_Labels.csd, CMU_MOSEI_TimestampedWords.csd, the sequences "
    "CMU_MOSEI_COVAREP.csd, CMU_MOSEI_VisualFacet42.csd and CMU_MOSEI_TimestampedWordVectors.csd, "
    "and raw_datasets/CMU_MOSEI.zip (about 120 GB). No official mirror exists; unofficial copies "
    "(the Hugging Face data set reeha-parkar/cmu-mosei-comp-seq) publish no checksums and were not "
    "checked here. Put the files and cmu_mosei_std_folds.py of the SDK into a folder and set "
    "corpora.mosei.source to it; labels and words alone run every text system, with the three "
    "sequences every word-aligned one."
)
_HOST = "http://immortal.multicomp.cs.cmu.edu"
_SEQUENCES = f"{_HOST}/CMU-MOSEI"
_SDK = (
    "https://raw.githubusercontent.com/CMU-MultiComp-Lab/CMU-MultimodalSDK/"
    "3e27d3781fe38b660432c7edfa7912bd0d256ee1"
)
SOURCES = (
    Source(f"{_SEQUENCES}/labels/CMU_MOSEI_Labels.csd"),
    Source(f"{_SEQUENCES}/language/CMU_MOSEI_TimestampedWords.csd"),
    Source(f"{_SDK}/mmsdk/mmdatasdk/dataset/standard_datasets/CMU_MOSEI/cmu_mosei_std_folds.py"),
    Source(f"{_HOST}/raw_datasets/CMU_MOSEI.zip", unpack=True, needed=False),
    Source(f"{_SEQUENCES}/acoustic/CMU_MOSEI_COVAREP.csd", needed=False),
    Source(f"{_SEQUENCES}/visual/CMU_MOSEI_VisualFacet42.csd", needed=False),
    Source(f"{_SEQUENCES}/language/CMU_MOSEI_TimestampedWordVectors.csd", needed=False),
)
#: Segments of the current release by fold ("all": whatever the label); older releases differ.
EXPECTED = {
    "all": {"all": 23259},
    "train": {"all": 16327},
    "dev": {"all": 1871},
    "test": {"all": 4662},
}

LABELS = "CMU_MOSEI_Labels.csd"
FOLD_FILES = ("cmu_mosei_std_folds.py", "standard_folds.json")
FOLD_NAMES = {"train": "train", "dev": "dev", "valid": "dev", "test": "test"}
FOLD_LISTS = {
    "standard_train_fold": "train",
    "standard_valid_fold": "dev",
    "standard_test_fold": "test",
}
MAX_INTENSITY = 3  # of the annotation form; old releases exceed it by a mistake of the form
VIDEOS = "Videos/Full/Combined"
TEXT_KEPT = "clip not used, text kept"

Line = tuple[float, float, str]  # start and end in seconds, text


def read_utterances(root: Path) -> Corpus:
    """Read labels, folds and text below `root`, and videos if there are any.

    An emotion is present if its intensity is above 0. Defects of a segment:

    - An intensity outside [0, 3] is set to 0 or 3. One that is not finite leaves the segment
      without label and in no split.
    - The segments of a video in no official fold, or not in a list of segments, are in no split.
    - A start below 0 is 0. A segment that does not end after its start has no clip, and keeps its
      text.
    - A segment without a transcript line and without a word in its time has no text, and keeps its
      labels.

    Raises:
        CorpusError: labels or folds are missing, or a file is malformed.
    """
    defects: list[Defect] = []
    labels, folds = _read_labels_and_folds(root, defects)
    words_file = find(root, WORDS)
    words = read_sequences(words_file, columns=1, kind="text") if words_file else {}
    transcripts = _folder(root, "Transcript/Segmented/Combined")
    has_text = bool(words or transcripts)
    if not has_text:
        detail = f"neither {WORDS} nor transcripts: {len(labels)} videos"
        defects.append(Defect(None, "no text", detail, "no text", "text"))
    rows = []
    for video, sequence in track(labels.items(), "videos of mosei", len(labels)):
        path = transcripts / f"{video}.txt" if transcripts else None
        spoken_lines = _read_transcript(path, root, defects) if path else []
        for row in _segments(video, sequence, folds.get(video), defects):
            text = _transcribed(spoken_lines, row) or _from_words(words.get(video), row)
            row["text"] = mended(text) if text else None
            defects += filter(None, [mended_defect(row["utterance_id"], text)])
            if has_text and not row["text"]:
                detail = "no transcript line and no word in its time"
                defects.append(Defect(row["utterance_id"], "no text", detail, "no text", "text"))
            rows.append(row)
    if release := find(root, RELEASE):
        defects += split_by_release(rows, release)
    _add_clips(rows, root, defects)
    defects += others(root, _named(root, labels, transcripts))
    return Corpus(pd.DataFrame(rows, columns=artifacts.UTTERANCES.names), defects)


def _read_labels_and_folds(
    root: Path, defects: list[Defect]
) -> tuple[dict[str, Sequence], dict[str, str]]:
    """Labels and split by video; a fold's videos without labels are a defect."""
    labels_file = find(root, LABELS)
    if labels_file is None:
        raise CorpusError(f"{root}: {LABELS} is missing. {HOW_TO_GET}")
    labels = read_sequences(labels_file, columns=1 + len(CLASSES["mosei"]), kind="number")
    folds_file = next((path for name in FOLD_FILES if (path := find(root, name))), None)
    if folds_file is None:
        raise CorpusError(
            f"{root}: no {' or '.join(FOLD_FILES)}; the folds are a file of CMU-MultimodalSDK. "
            f"{HOW_TO_GET}"
        )
    folds = read_folds(folds_file)
    if unlabelled := folds.keys() - labels.keys():
        detail = f"{len(unlabelled)} videos of the folds are not in {LABELS}"
        defects.append(Defect(None, "fold without labels", detail, "left out"))
    return labels, folds


def read_folds(path: Path) -> dict[str, str]:
    """Read the split of every video.

    Args:
        path: the SDK's Python file (parsed, never run), or a JSON object of lists.

    Raises:
        CorpusError: not of this form, a fold is missing, or a video is in two folds.
    """
    refuse_pointer(path)
    try:
        text = path.read_text(encoding="utf-8")
        lists = _python_lists(text) if path.suffix == ".py" else json.loads(text)
        named = {FOLD_NAMES[name]: videos for name, videos in lists.items() if name in FOLD_NAMES}
    except (ValueError, SyntaxError, AttributeError, RecursionError, MemoryError) as error:
        reason = " ".join(str(error).split())[:100]
        raise CorpusError(f"{path}: not a list of folds ({reason})") from error
    folds: dict[str, str] = {}
    for split in ("train", "dev", "test"):
        videos = named.get(split)
        if not isinstance(videos, list) or not videos or not _all_text(videos):
            raise CorpusError(f"{path}: no list of video ids for {split}")
        if doubled := folds.keys() & set(videos):
            first = min(doubled)
            raise CorpusError(f"{path}: video {first} is in {split} and in {folds[first]}")
        folds |= dict.fromkeys(videos, split)
    return folds


def _all_text(items: list) -> bool:
    return all(isinstance(item, str) for item in items)


def _python_lists(text: str) -> dict[str, object]:
    lists = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name in FOLD_LISTS:
                lists[FOLD_LISTS[name]] = ast.literal_eval(node.value)
    return lists


def _segments(
    video: str, sequence: Sequence, split: str | None, defects: list[Defect]
) -> list[dict[str, Any]]:
    """Utterances of a video, in the order of its rows, without text and clip."""
    starts = sequence.intervals[:, 0]
    turns = np.argsort(starts, kind="stable").argsort()  # rows are not in time order
    rows = []
    for index, (start, end) in enumerate(sequence.intervals):
        utterance_id, intensities = f"{video}[{index}]", sequence.features[index, 1:]
        if split is None:
            detail = f"video {video} is in no official fold"
            defects.append(Defect(utterance_id, "no fold", detail, "in no split"))
        labels = _labels(utterance_id, intensities, defects)
        start, end = _times(utterance_id, start, end, defects)
        rows.append(
            {
                "utterance_id": utterance_id,
                "dialogue_id": video,
                "turn": int(turns[index]),
                "speaker": video,
                "start_s": start,
                "end_s": end,
                "labels": labels or [],
                "official_split": None if labels is None else split,
            }
        )
    return rows


def _labels(utterance_id: str, intensities: np.ndarray, defects: list[Defect]) -> list[str] | None:
    """Emotions that are present; None: the annotation is not a number."""
    if not np.isfinite(intensities).all():
        action = "not labelled, in no split"
        defects.append(Defect(utterance_id, "no label", "an emotion is not a number", action))
        return None
    if (intensities > MAX_INTENSITY).any() or (intensities < 0).any():
        bounds = f"{intensities.min():.2f} to {intensities.max():.2f}"
        detail = f"intensities from {bounds}, not 0 to {MAX_INTENSITY}"
        action = f"set to 0 or {MAX_INTENSITY}"
        defects.append(Defect(utterance_id, "label out of range", detail, action))
    return [name for name, value in zip(CLASSES["mosei"], intensities, strict=True) if value > 0]


def _times(
    utterance_id: str, start: float, end: float, defects: list[Defect]
) -> tuple[float, float]:
    """Start and end in seconds, the start not below 0."""
    if start < 0:
        defects.append(Defect(utterance_id, "negative start", f"{start:.3f} s", "starts at 0"))
    start, end = max(float(start), 0.0), float(end)
    if end <= start:
        detail = f"{start:.3f} to {end:.3f} s"
        defects.append(Defect(utterance_id, "zero or negative span", detail, TEXT_KEPT))
    return start, end


def _read_transcript(path: Path, root: Path, defects: list[Defect]) -> list[Line]:
    """Read ``id___index___start___end___text`` lines."""
    if not path.is_file():
        return []
    transcript: list[Line] = []
    content, is_utf8 = decode_published(path.read_bytes())
    if not is_utf8:
        name = str(path.relative_to(root))
        defects.append(Defect(None, "not UTF-8", name, "read as cp1252", "text"))
    for number, line in enumerate(lines(content), 1):
        try:
            _, _, start, end, text = line.split("___", 4)
            transcript.append((max(float(start), 0.0), float(end), stripped(text)))
        except ValueError:
            where = f"{path.relative_to(root)}: line {number}"
            detail = f"{where} is not id___index___start___end___text"
            defects.append(Defect(None, "transcript line", detail, "left out", "text"))
    return transcript


def _transcribed(lines: list[Line], row: dict[str, Any]) -> str | None:
    """Text of the line whose times are nearest to the segment's; None beyond SAME_S.

    The numbers of lines follow another order.
    """
    distances = [
        (max(abs(start - row["start_s"]), abs(end - row["end_s"])), text)
        for start, end, text in lines
    ]
    distance, text = min(distances, default=(np.inf, ""))
    return text or None if distance <= SAME_S else None


def _from_words(words: Sequence | None, row: dict[str, Any]) -> str | None:
    return " ".join(spoken(words, row["start_s"], row["end_s"])[0]) or None if words else None


def _add_clips(rows: list[dict[str, Any]], root: Path, defects: list[Defect]) -> None:
    """Set clip, start and end of the segments whose video can be opened."""
    folder = _folder(root, VIDEOS)
    if folder is None:
        detail = f"no folder {VIDEOS}: {len(rows)} utterances"
        defects.append(Defect(None, "no clips", detail, "text only"))
        return
    videos = {row["dialogue_id"]: folder / f"{row['dialogue_id']}.mp4" for row in rows}
    probes = probe_all([path for path in videos.values() if path.is_file()], "videos of mosei")
    for row in rows:
        path = videos[row["dialogue_id"]]
        name, utterance_id, result = path.relative_to(root), row["utterance_id"], probes.get(path)
        if result is None:
            defects.append(Defect(utterance_id, "clip absent", f"no {name}", "text kept"))
        elif isinstance(result, str):
            defects.append(Defect(utterance_id, "clip unreadable", f"{name}: {result}", TEXT_KEPT))
        else:
            _add_span(row, name.as_posix(), result, defects)


def _add_span(row: dict[str, Any], clip: str, probe: Probe, defects: list[Defect]) -> None:
    """Set clip, start and end of a segment, as far as the video reaches."""
    utterance_id, start, end = row["utterance_id"], row["start_s"], row["end_s"]
    if span := probe.bounded(start, end):
        if span[1] != end:
            detail = f"ends at {end:.3f} s, the clip at {span[1]:.3f} s"
            defects.append(Defect(utterance_id, "span beyond clip", detail, "ends with the clip"))
        row.update(clip=clip, start_s=span[0], end_s=span[1])
    elif start < end:
        detail = f"starts at {start:.3f} s, the clip ends at {probe.duration_s:.3f} s"
        defects.append(Defect(utterance_id, "span beyond clip", detail, TEXT_KEPT))


def _named(root: Path, labels: Iterable[str], transcripts: Path | None) -> set[Path]:
    """Files that belong to labelled videos, and the corpus' own files."""
    videos = _folder(root, VIDEOS)
    named = {path for name in (*FOLD_FILES, RELEASE) for path in root.rglob(name)}
    named |= {*root.rglob("*.csd")}
    for video in labels:
        named |= {videos / f"{video}.mp4"} if videos else set()
        named |= {transcripts / f"{video}.txt"} if transcripts else set()
    return named


def _folder(root: Path, tail: str) -> Path | None:
    return next((path for path in sorted(root.rglob(tail)) if path.is_dir()), None)
