"""A demo of CMU-MOSEI: monologues with several emotions at once, .csd files, folds, transcripts and videos, defects.

Layout of the computational sequences and folds as in https://github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK.
"""

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from merflow.corpora.corpus import Source
from merflow.corpora.demo import packing, sequences
from merflow.corpora.demo.cast import person
from merflow.corpora.demo.chance import chance
from merflow.corpora.demo.script import Take, deal
from merflow.corpora.demo.studio import Clip, Filmed, film_all
from merflow.corpora.demo.words import sentence, topics
from merflow.corpora.labels import CLASSES
from merflow.store import whole

FOLDS = {"train": 28, "valid": 6, "test": 7, "none": 1}  # videos
#: Share of segments by the stronger emotion, roughly those of the release.
SHARES = {
    "happy": 0.45,
    "sad": 0.17,
    "anger": 0.14,
    "disgust": 0.09,
    "surprise": 0.05,
    "fear": 0.04,
    "none": 0.06,
}
#: Label -> expression, sentiment (-3 to 3).
SHOWN = {
    "happy": ("joy", 1.6),
    "sad": ("sadness", -1.2),
    "anger": ("anger", -1.4),
    "surprise": ("surprise", 0.3),
    "disgust": ("disgust", -1.7),
    "fear": ("fear", -0.8),
    "none": ("neutral", 0.0),
}
SECOND = 0.3  # share of segments with a second emotion
PAD_S = 0.05  # of a segment around the speech
ID_LETTERS = string.ascii_letters + string.digits

#: Numbers of the videos (order of FOLDS) with a defect.
NEGATIVE_START, TOO_STRONG, NO_VIDEO, NO_TRANSCRIPT, NOT_A_NUMBER, TOO_LONG = 2, 4, 6, 8, 10, 12
#: The same of videos with a defect in a sequence; and a video that nothing else has.
INFINITE_SOUND, LOST_FACE, NO_SOUND = 3, 5, 7
UNLABELLED = "unlabelled0"

FILES = (
    "CMU_MOSEI_Labels.csd",
    "CMU_MOSEI_TimestampedWords.csd",
    "CMU_MOSEI_TimestampedWordVectors.csd",
    "CMU_MOSEI_COVAREP.csd",
    "CMU_MOSEI_VisualFacet42.csd",
    "cmu_mosei_std_folds.py",
    "CMU_MOSEI.zip",
)


@dataclass(frozen=True)
class Segment:
    """A take and its label vector: sentiment, then intensities in the order of CLASSES."""

    take: Take
    label: np.ndarray


@dataclass(frozen=True)
class Video:
    """A monologue: its segments in time order and their rows in the .csd files, which follow another order."""

    number: int
    name: str
    fold: str
    segments: tuple[Segment, ...]
    rows: tuple[int, ...]


def write_script() -> list[Video]:
    """Every video of the corpus."""
    names = {
        fold: [_name(fold, number) for number in range(count)] for fold, count in FOLDS.items()
    }
    segments = {
        fold: {name: int(chance("mosei", name, "segments").integers(4, 6)) for name in names[fold]}
        for fold in FOLDS
    }
    folds = {name: fold for fold in FOLDS for name in names[fold]}
    videos = []
    for number, (name, emotions) in enumerate(deal("mosei", segments, SHARES).items()):
        spoken = tuple(
            _segment(name, turn, emotion, topics(number)) for turn, emotion in enumerate(emotions)
        )
        order = range(len(spoken))
        rows = (
            chance("mosei", name, "rows").permutation(order).tolist() if number % 3 == 1 else order
        )
        videos.append(Video(number, name, folds[name], spoken, tuple(rows)))
    return videos


def _name(fold: str, number: int) -> str:
    """Eleven letters and digits, as on YouTube."""
    return "".join(chance("mosei", fold, str(number), "name").choice(list(ID_LETTERS), 11))


def _segment(video: str, turn: int, emotion: str, about: tuple[str, ...]) -> Segment:
    rng = chance("mosei", video, str(turn))
    label = dict.fromkeys(CLASSES["mosei"], 0)  # in thirds: the mean of three annotators
    present = []
    if emotion != "none":
        label[emotion] = int(rng.integers(2, 8))
        present.append(SHOWN[emotion][0])
        second = str(rng.choice([name for name in label if name != emotion]))
        if rng.random() < SECOND:
            label[second] = int(rng.integers(1, 4))
            present.append(SHOWN[second][0])
    shown, valence = SHOWN[emotion]
    sentiment = int(np.clip(round(3 * (valence + rng.normal(0, 0.6))), -9, 9))
    take = Take(
        "mosei", f"{video}_{turn}", person("mosei", video), shown, sentence(present, about, rng)
    )
    return Segment(take, np.array([sentiment, *label.values()], np.float32) / np.float32(3))


def make(scratch: Path, out: Path) -> list[Source]:
    """Write the .csd files, the folds and CMU_MOSEI.zip into `out`."""
    videos = write_script()
    clips = [
        Clip(
            scratch / "Raw/Videos/Full/Combined" / f"{video.name}.mp4",
            takes=tuple(segment.take for segment in video.segments),
            people=(person("mosei", video.name),),
            place=video.name,
        )
        for video in videos
    ]
    filmed = film_all(clips, "videos of the demo of mosei")
    clips[NO_VIDEO].path.unlink()
    transcripts = scratch / "Raw/Transcript/Segmented/Combined"
    transcripts.mkdir(parents=True)
    labels, words, vectors, sounds, faces = {}, {}, {}, {}, {}
    for video, length in zip(videos, filmed, strict=True):
        intervals = _intervals(video, length)
        labels[video.name] = (_labels(video)[list(video.rows)], intervals[list(video.rows)])
        words[video.name] = _words(video, length)
        vectors[video.name] = _vectors(*words[video.name])
        takes = [segment.take for segment in video.segments]
        sounds[video.name], faces[video.name] = (
            _sounds(video.number, takes, length),
            _faces(video.number, takes, length),
        )
        if video.number != NO_TRANSCRIPT:
            lines = [
                f"{video.name}___{turn}___{start:.3f}___{end:.3f}___{segment.take.text}\n"
                for turn, (segment, (start, end)) in enumerate(
                    zip(video.segments, intervals, strict=True)
                )
            ]
            (transcripts / f"{video.name}.txt").write_text("".join(lines), encoding="utf-8")
    folds = {
        fold: [video.name for video in videos if video.fold == fold]
        for fold in FOLDS
        if fold != "none"
    }
    with whole(out / "cmu_mosei_std_folds.py") as part:
        part.write_text(
            "".join(f"standard_{fold}_fold = {names!r}\n" for fold, names in folds.items()),
            encoding="utf-8",
        )
    _write_sequences(out / "CMU_MOSEI_Labels.csd", "All Labels", labels)
    _write_sequences(out / "CMU_MOSEI_TimestampedWords.csd", "words", words)
    _write_sequences(out / "CMU_MOSEI_TimestampedWordVectors.csd", "glove_vectors", vectors)
    del sounds[videos[NO_SOUND].name]
    _write_sequences(out / "CMU_MOSEI_COVAREP.csd", "COVAREP", sounds)
    _write_sequences(
        out / "CMU_MOSEI_VisualFacet42.csd",
        "FACET 4.2",
        faces | {UNLABELLED: faces[videos[0].name]},
    )
    packing.zipped(scratch, out / "CMU_MOSEI.zip")
    return [packing.source(out / name, unpack=name.endswith(".zip")) for name in FILES]


def _intervals(video: Video, filmed: Filmed) -> np.ndarray:
    intervals = np.array(filmed.spans) + np.array([-PAD_S, PAD_S])
    if video.number == NEGATIVE_START:
        intervals[0, 0] = -0.14
    if video.number == TOO_LONG:
        intervals[-1, 1] = filmed.length_s + 3
    return intervals


def _labels(video: Video) -> np.ndarray:
    labels = np.stack([segment.label for segment in video.segments])
    strongest = 1 + int(labels[0, 1:].argmax())
    if video.number == TOO_STRONG:
        labels[0, strongest] = 11 / 3
    if video.number == NOT_A_NUMBER:
        labels[0, strongest] = np.nan
    return labels


def _words(video: Video, filmed: Filmed) -> tuple[np.ndarray, np.ndarray]:
    """Words and their times: the span of a segment shared out by length; pauses are ``sp``."""
    words, edges = [], [0.0]
    for segment, (start, end) in zip(video.segments, filmed.spans, strict=True):
        spoken = [word.strip(",.!?").lower() for word in segment.take.text.split()]
        shares = np.cumsum([len(word) for word in spoken])
        words += ["sp", *spoken]
        edges += [start, *(start + (end - start) * shares / shares[-1])]
    features = np.array([[word.encode()] for word in words], "S20")
    return features, np.column_stack([edges[:-1], edges[1:]])


def _vectors(words: np.ndarray, intervals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    said = words[:, 0] != b"sp"
    return sequences.word_vectors([word.decode() for word in words[said, 0]]), intervals[said]


def _sounds(number: int, takes: Sequence[Take], filmed: Filmed) -> tuple[np.ndarray, np.ndarray]:
    features, intervals = sequences.acoustic(takes, filmed)
    if number == INFINITE_SOUND:
        features[::5, 2] = -np.inf  # a logarithm of silence
    return features, intervals


def _faces(number: int, takes: Sequence[Take], filmed: Filmed) -> tuple[np.ndarray, np.ndarray]:
    features, intervals = sequences.visual(takes, filmed)
    if number == LOST_FACE:
        features[intervals[:, 0] < filmed.spans[0][1]] = np.nan  # the whole first segment
    return features, intervals


def _write_sequences(
    path: Path, name: str, sequences: Mapping[str, tuple[np.ndarray, np.ndarray]]
) -> None:
    with whole(path) as part, h5py.File(part, "w") as file:
        for video, (features, intervals) in sorted(sequences.items()):
            group = file.create_group(f"{name}/data/{video}")
            group.create_dataset("features", data=features, track_times=False)
            group.create_dataset("intervals", data=intervals, track_times=False)
