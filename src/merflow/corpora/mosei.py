"""CMU-MOSEI: 23,259 segments of 3,295 YouTube monologues, six emotions that may be present together.

Bagher Zadeh et al. 2018, https://github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK. Labels and word times come as
computational sequences (.csd, HDF5), the folds as lists of video ids, the videos whole with a start and end per segment.
"""

import ast
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from merflow import artifacts
from merflow.artifacts import Defect
from merflow.corpora import schemes
from merflow.corpora.corpus import Corpus, Source
from merflow.corpora.csd import WORDS, Sequence, find, read_sequences, spoken
from merflow.corpora.labels import CLASSES
from merflow.errors import CorpusError
from merflow.media.probe import probe_all
from merflow.progress import track

TITLE = "CMU-MOSEI (CMU Multimodal Opinion Sentiment and Emotion Intensity)"
LICENCE = "free for research (CMU-MultimodalSDK); the videos belong to their authors on YouTube"
HOW_TO_GET = (
    "The publisher's host immortal.multicomp.cs.cmu.edu has been unreachable since March 2025 at least. Where it answers: "
    "CMU_MOSEI_Labels.csd, CMU_MOSEI_TimestampedWords.csd, the sequences CMU_MOSEI_COVAREP.csd, CMU_MOSEI_VisualFacet42.csd and "
    "CMU_MOSEI_TimestampedWordVectors.csd, and raw_datasets/CMU_MOSEI.zip (about 120 GB). No official mirror exists; "
    "unofficial copies (the Hugging Face data set reeha-parkar/cmu-mosei-comp-seq) publish no checksums and were not checked here. "
    "Put the files and cmu_mosei_std_folds.py of the SDK into a folder and set corpora.mosei.source to it; labels and words alone run "
    "every text system, with the three sequences every word-aligned one."
)
_HOST = "http://immortal.multicomp.cs.cmu.edu"
_SDK = "https://raw.githubusercontent.com/CMU-MultiComp-Lab/CMU-MultimodalSDK/3e27d3781fe38b660432c7edfa7912bd0d256ee1"
SOURCES = (
    Source(f"{_HOST}/CMU-MOSEI/labels/CMU_MOSEI_Labels.csd"),
    Source(f"{_HOST}/CMU-MOSEI/language/CMU_MOSEI_TimestampedWords.csd"),
    Source(f"{_SDK}/mmsdk/mmdatasdk/dataset/standard_datasets/CMU_MOSEI/cmu_mosei_std_folds.py"),
    Source(f"{_HOST}/raw_datasets/CMU_MOSEI.zip", unpack=True, needed=False),
    Source(f"{_HOST}/CMU-MOSEI/acoustic/CMU_MOSEI_COVAREP.csd", needed=False),
    Source(f"{_HOST}/CMU-MOSEI/visual/CMU_MOSEI_VisualFacet42.csd", needed=False),
    Source(f"{_HOST}/CMU-MOSEI/language/CMU_MOSEI_TimestampedWordVectors.csd", needed=False),
)
#: Segments of the current release by fold ("all": whatever the label); older releases have other numbers.
EXPECTED = {
    "all": {"all": 23259},
    "train": {"all": 16327},
    "dev": {"all": 1871},
    "test": {"all": 4662},
}
SCHEMES = tuple(schemes.SCHEMES["mosei"])

LABELS = "CMU_MOSEI_Labels.csd"
FOLD_FILES = ("cmu_mosei_std_folds.py", "standard_folds.json")
FOLD_NAMES = {"train": "train", "dev": "dev", "valid": "dev", "test": "test"}
FOLD_LISTS = {
    "standard_train_fold": "train",
    "standard_valid_fold": "dev",
    "standard_test_fold": "test",
}
MAX_INTENSITY = 3  # of the annotation form; old releases hold more by a mistake of it
SAME_S = 0.1  # a transcript line belongs to the segment whose start and end it repeats; line numbers follow another order


def read_utterances(root: Path) -> Corpus:
    """Read labels, folds, text and, where they are, videos below `root`.

    An emotion is present where its intensity is above 0. What is wrong with a segment is a defect, one for each:

    - An intensity outside [0, 3] is set to 0 or 3; one that is no number leaves the segment without label and in no split.
    - The segments of a video in no official fold are in no split.
    - A start below 0 is 0. A segment that does not end after its start has no clip, and keeps its text.
    - A segment without a transcript line and without a word in its time has no text, and keeps its labels.

    Raises:
        CorpusError: labels or folds are missing, or a file is not what its layout says.
    """
    labels_file = find(root, LABELS)
    if labels_file is None:
        raise CorpusError(f"{root}: {LABELS} is missing. {HOW_TO_GET}")
    labels = read_sequences(labels_file, columns=1 + len(CLASSES["mosei"]), kind="number")
    words_file = find(root, WORDS)
    words = read_sequences(words_file, columns=1, kind="text") if words_file else {}
    transcripts = _folder(root, "Transcript/Segmented/Combined")
    folds_file = next((path for name in FOLD_FILES if (path := find(root, name))), None)
    if folds_file is None:
        raise CorpusError(
            f"{root}: no {' or '.join(FOLD_FILES)}; the folds are a file of CMU-MultimodalSDK. {HOW_TO_GET}"
        )
    folds = read_folds(folds_file)
    defects: list[Defect] = []
    if unknown := folds.keys() - labels.keys():
        defects.append(
            Defect(
                None,
                "fold without labels",
                f"{len(unknown)} videos of the folds are not in {LABELS}",
                "left out",
            )
        )
    if not words and not transcripts:
        defects.append(
            Defect(
                None, "no text", f"neither {WORDS} nor transcripts: {len(labels)} videos", "no text"
            )
        )
    rows = []
    for video, sequence in track(labels.items(), "videos of mosei", len(labels)):
        lines = _transcript(transcripts / f"{video}.txt", root, defects) if transcripts else []
        for row in _segments(video, sequence, folds.get(video), defects):
            row["text"] = _line(lines, row) or _said(words.get(video), row)
            if not row["text"] and (words or transcripts):
                defects.append(
                    Defect(
                        row["utterance_id"],
                        "no text",
                        "no transcript line and no word in its time",
                        "no text",
                    )
                )
            rows.append(row)
    _add_clips(rows, root, defects)
    return Corpus(pd.DataFrame(rows, columns=artifacts.UTTERANCES.names), defects)


def read_folds(path: Path) -> dict[str, str]:
    """Split of every video, from the SDK's Python file (parsed, never run) or a JSON object of lists.

    Raises:
        CorpusError: not of this form, a fold missing, or a video in two folds.
    """
    try:
        lists = (
            _python_lists(path)
            if path.suffix == ".py"
            else json.loads(path.read_text(encoding="utf-8"))
        )
        named = {FOLD_NAMES[name]: videos for name, videos in lists.items() if name in FOLD_NAMES}
    except (ValueError, SyntaxError, AttributeError, RecursionError, MemoryError) as error:
        raise CorpusError(
            f"{path}: not a list of folds ({' '.join(str(error).split())[:100]})"
        ) from error
    folds: dict[str, str] = {}
    for split in ("train", "dev", "test"):
        videos = named.get(split)
        if (
            not isinstance(videos, list)
            or not videos
            or not all(isinstance(video, str) for video in videos)
        ):
            raise CorpusError(f"{path}: no list of video ids for {split}")
        if doubled := folds.keys() & set(videos):
            raise CorpusError(
                f"{path}: video {min(doubled)} is in {split} and in {folds[min(doubled)]}"
            )
        folds |= dict.fromkeys(videos, split)
    return folds


def _python_lists(path: Path) -> dict[str, object]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assigned = [
        (node.targets[0].id, node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    ]
    return {
        FOLD_LISTS[name]: ast.literal_eval(value) for name, value in assigned if name in FOLD_LISTS
    }


def _segments(
    video: str, sequence: Sequence, split: str | None, defects: list[Defect]
) -> list[dict[str, Any]]:
    order = np.argsort(
        sequence.intervals[:, 0], kind="stable"
    ).argsort()  # rows are not in time order
    rows = []
    for index, (intensities, (start, end)) in enumerate(
        zip(sequence.features[:, 1:], sequence.intervals, strict=True)
    ):
        utterance_id = f"{video}[{index}]"
        labels = [
            name for name, value in zip(CLASSES["mosei"], intensities, strict=True) if value > 0
        ]
        official = split
        if split is None:
            defects.append(
                Defect(
                    utterance_id, "no fold", f"video {video} is in no official fold", "in no split"
                )
            )
        if not np.isfinite(intensities).all():
            labels, official = [], None
            defects.append(
                Defect(
                    utterance_id,
                    "no label",
                    "an emotion is not a number",
                    "not labelled, in no split",
                )
            )
        elif (intensities > MAX_INTENSITY).any() or (intensities < 0).any():
            detail = f"intensities from {intensities.min():.2f} to {intensities.max():.2f}, not 0 to {MAX_INTENSITY}"
            defects.append(
                Defect(utterance_id, "label out of range", detail, f"set to 0 or {MAX_INTENSITY}")
            )
        if start < 0:
            defects.append(Defect(utterance_id, "negative start", f"{start:.3f} s", "starts at 0"))
        start = max(float(start), 0.0)
        if end <= start:
            defects.append(
                Defect(
                    utterance_id,
                    "zero or negative span",
                    f"{start:.3f} to {end:.3f} s",
                    "clip not used, text kept",
                )
            )
        rows.append(
            {
                "utterance_id": utterance_id,
                "dialogue_id": video,
                "turn": int(order[index]),
                "speaker": video,
                "start_s": start,
                "end_s": float(end),
                "labels": labels,
                "official_split": official,
            }
        )
    return rows


def _transcript(path: Path, root: Path, defects: list[Defect]) -> list[tuple[float, float, str]]:
    """Start, end and text of ``id___index___start___end___text`` lines."""
    if not path.is_file():
        return []
    lines = []
    for number, line in enumerate(
        path.read_text(encoding="utf-8", errors="replace").splitlines(), 1
    ):
        try:
            _, _, start, end, text = line.split("___", 4)
            lines.append((max(float(start), 0.0), float(end), text.strip()))
        except ValueError:
            detail = (
                f"{path.relative_to(root)}: line {number} is not id___index___start___end___text"
            )
            defects.append(Defect(None, "transcript line", detail, "left out"))
    return lines


def _line(lines: list[tuple[float, float, str]], row: dict[str, Any]) -> str | None:
    near = [
        (max(abs(start - row["start_s"]), abs(end - row["end_s"])), text)
        for start, end, text in lines
    ]
    distance, text = min(near, default=(np.inf, ""))
    return text or None if distance <= SAME_S else None


def _said(words: Sequence | None, row: dict[str, Any]) -> str | None:
    return " ".join(spoken(words, row["start_s"], row["end_s"])[0]) or None if words else None


def _add_clips(rows: list[dict[str, Any]], root: Path, defects: list[Defect]) -> None:
    folder = _folder(root, "Videos/Full/Combined")
    if folder is None:
        defects.append(
            Defect(
                None,
                "no clips",
                f"no folder Videos/Full/Combined: {len(rows)} utterances",
                "text only",
            )
        )
        return
    videos = {row["dialogue_id"]: folder / f"{row['dialogue_id']}.mp4" for row in rows}
    probes = probe_all([path for path in videos.values() if path.is_file()], "videos of mosei")
    for row in rows:
        path, name = videos[row["dialogue_id"]], row["utterance_id"]
        found = probes.get(path)
        if found is None:
            defects.append(Defect(name, "clip absent", f"no {path.relative_to(root)}", "text kept"))
        elif isinstance(found, str):
            defects.append(
                Defect(
                    name,
                    "clip unreadable",
                    f"{path.relative_to(root)}: {found}",
                    "clip not used, text kept",
                )
            )
        elif span := found.part(row["start_s"], row["end_s"]):
            if span[1] != row["end_s"]:
                detail = f"ends at {row['end_s']:.3f} s, the clip at {span[1]:.3f} s"
                defects.append(Defect(name, "span beyond clip", detail, "ends with the clip"))
            row.update(clip=path.relative_to(root).as_posix(), start_s=span[0], end_s=span[1])
        elif row["start_s"] < row["end_s"]:
            detail = f"starts at {row['start_s']:.3f} s, the clip ends at {found.duration_s:.3f} s"
            defects.append(Defect(name, "span beyond clip", detail, "clip not used, text kept"))


def _folder(root: Path, tail: str) -> Path | None:
    return next((path for path in sorted(root.rglob(tail)) if path.is_dir()), None)
