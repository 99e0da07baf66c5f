"""A demo of CMU-MOSEI: multi-label monologues as .csd files, folds, transcripts and videos.

Layout of the computational sequences and folds as in
https://github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK. Defects are those of the release.
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
from merflow.store import whole, write_text

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
EXPRESSION = {
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
#: Numbers of the videos with a defect in a sequence.
INFINITE_AUDIO, LOST_FACE, NO_AUDIO = 3, 5, 7
#: A video that only one sequence has.
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

Values = tuple[np.ndarray, np.ndarray]  # features (n, d), intervals (n, 2) in seconds


@dataclass(frozen=True)
class Segment:
    """A take and its label vector: sentiment, then intensities in the order of CLASSES."""

    take: Take
    label: np.ndarray


@dataclass(frozen=True)
class Video:
    """A monologue.

    Attributes:
        number: in the corpus, from 0.
        name: as on YouTube.
        fold: key of FOLDS.
        segments: in order of time.
        rows: row of each segment in the .csd files, which follow another order.
    """

    number: int
    name: str
    fold: str
    segments: tuple[Segment, ...]
    rows: tuple[int, ...]

    @property
    def takes(self) -> tuple[Take, ...]:
        """Takes of the segments."""
        return tuple(segment.take for segment in self.segments)


def write_script() -> list[Video]:
    """Every video of the corpus."""
    names = {
        fold: [_name(fold, number) for number in range(count)] for fold, count in FOLDS.items()
    }
    n_segments = {fold: {name: _n_segments(name) for name in names[fold]} for fold in FOLDS}
    fold_of = {name: fold for fold in FOLDS for name in names[fold]}
    videos = []
    for number, (name, emotions) in enumerate(deal("mosei", n_segments, SHARES).items()):
        segments = tuple(
            _segment(name, turn, emotion, topics(number)) for turn, emotion in enumerate(emotions)
        )
        rows = list(range(len(segments)))
        if number % 3 == 1:
            rows = chance("mosei", name, "rows").permutation(rows).tolist()
        videos.append(Video(number, name, fold_of[name], segments, tuple(rows)))
    return videos


def _name(fold: str, number: int) -> str:
    """Eleven letters and digits, as on YouTube."""
    return "".join(chance("mosei", fold, str(number), "name").choice(list(ID_LETTERS), 11))


def _n_segments(video: str) -> int:
    return int(chance("mosei", video, "segments").integers(4, 6))


def _segment(video: str, turn: int, emotion: str, about: tuple[str, ...]) -> Segment:
    rng = chance("mosei", video, str(turn))
    label = dict.fromkeys(CLASSES["mosei"], 0)  # in thirds: the mean of three annotators
    expressions = []
    if emotion != "none":
        label[emotion] = int(rng.integers(2, 8))
        expressions.append(EXPRESSION[emotion][0])
        second = str(rng.choice([name for name in label if name != emotion]))
        if rng.random() < SECOND:
            label[second] = int(rng.integers(1, 4))
            expressions.append(EXPRESSION[second][0])
    expression, valence = EXPRESSION[emotion]
    sentiment = int(np.clip(round(3 * (valence + rng.normal(0, 0.6))), -9, 9))
    text = sentence(expressions, about, rng)
    take = Take("mosei", f"{video}_{turn}", person("mosei", video), expression, text)
    return Segment(take, np.array([sentiment, *label.values()], np.float32) / np.float32(3))


def make(scratch: Path, out: Path) -> list[Source]:
    """Write the .csd files, the folds and CMU_MOSEI.zip into `out`."""
    videos = write_script()
    clips = [
        Clip(
            path=scratch / "Raw/Videos/Full/Combined" / f"{video.name}.mp4",
            takes=video.takes,
            people=(person("mosei", video.name),),
            place=video.name,
        )
        for video in videos
    ]
    filmed = film_all(clips, "videos of the demo of mosei")
    clips[NO_VIDEO].path.unlink()
    transcripts = scratch / "Raw/Transcript/Segmented/Combined"
    transcripts.mkdir(parents=True)
    for video, clip in zip(videos, filmed, strict=True):
        if video.number != NO_TRANSCRIPT:
            _write_transcript(transcripts / f"{video.name}.txt", video, clip)
    _write_folds(out / "cmu_mosei_std_folds.py", videos)
    _write_all_sequences(out, videos, filmed)
    packing.zipped(scratch, out / "CMU_MOSEI.zip")
    return [packing.source(out / name, unpack=name.endswith(".zip")) for name in FILES]


def _write_transcript(path: Path, video: Video, filmed: Filmed) -> None:
    times = zip(video.segments, _intervals(video, filmed), strict=True)
    lines = [
        f"{video.name}___{turn}___{start:.3f}___{end:.3f}___{segment.take.text}\n"
        for turn, (segment, (start, end)) in enumerate(times)
    ]
    path.write_text("".join(lines), encoding="utf-8")


def _write_folds(path: Path, videos: Sequence[Video]) -> None:
    lines = []
    for fold in FOLDS:
        if fold != "none":
            names = [video.name for video in videos if video.fold == fold]
            lines.append(f"standard_{fold}_fold = {names!r}\n")
    write_text(path, "".join(lines))


def _write_all_sequences(out: Path, videos: Sequence[Video], filmed: Sequence[Filmed]) -> None:
    labels, words, vectors, acoustic, visual = {}, {}, {}, {}, {}
    for video, clip in zip(videos, filmed, strict=True):
        name, rows = video.name, list(video.rows)
        labels[name] = (_labels(video)[rows], _intervals(video, clip)[rows])
        words[name] = _words(video, clip)
        vectors[name] = _vectors(*words[name])
        if video.number != NO_AUDIO:
            acoustic[name] = _acoustic(video, clip)
        visual[name] = _visual(video, clip)
    visual[UNLABELLED] = visual[videos[0].name]
    _write_sequences(out / "CMU_MOSEI_Labels.csd", "All Labels", labels)
    _write_sequences(out / "CMU_MOSEI_TimestampedWords.csd", "words", words)
    _write_sequences(out / "CMU_MOSEI_TimestampedWordVectors.csd", "glove_vectors", vectors)
    _write_sequences(out / "CMU_MOSEI_COVAREP.csd", "COVAREP", acoustic)
    _write_sequences(out / "CMU_MOSEI_VisualFacet42.csd", "FACET 4.2", visual)


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


def _words(video: Video, filmed: Filmed) -> Values:
    """Words and their times: the span of a segment divided by length; pauses are ``sp``."""
    words, edges = [], [0.0]
    for segment, (start, end) in zip(video.segments, filmed.spans, strict=True):
        spoken = [word.strip(",.!?").lower() for word in segment.take.text.split()]
        shares = np.cumsum([len(word) for word in spoken])
        words += ["sp", *spoken]
        edges += [start, *(start + (end - start) * shares / shares[-1])]
    features = np.array([[word.encode()] for word in words], "S20")
    return features, np.column_stack([edges[:-1], edges[1:]])


def _vectors(words: np.ndarray, intervals: np.ndarray) -> Values:
    is_word = words[:, 0] != b"sp"
    spoken = [word.decode() for word in words[is_word, 0]]
    return sequences.word_vectors(spoken), intervals[is_word]


def _acoustic(video: Video, filmed: Filmed) -> Values:
    features, intervals = sequences.acoustic(video.takes, filmed)
    if video.number == INFINITE_AUDIO:
        features[::5, 2] = -np.inf  # a logarithm of silence
    return features, intervals


def _visual(video: Video, filmed: Filmed) -> Values:
    features, intervals = sequences.visual(video.takes, filmed)
    if video.number == LOST_FACE:
        features[intervals[:, 0] < filmed.spans[0][1]] = np.nan  # the whole first segment
    return features, intervals


def _write_sequences(path: Path, root: str, videos: Mapping[str, Values]) -> None:
    with whole(path) as partial_path, h5py.File(partial_path, "w") as file:
        for video, (features, intervals) in sorted(videos.items()):
            group = file.create_group(f"{root}/data/{video}")
            group.create_dataset("features", data=features, track_times=False)
            group.create_dataset("intervals", data=intervals, track_times=False)
