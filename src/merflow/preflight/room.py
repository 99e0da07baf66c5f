"""Room on the disk against what a run will write.

Sizes of folders are certain. All others are rough estimates from means of the real corpora
(docs/paper-scale.md).
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from merflow import paths
from merflow.params import Params

GB = 1e9


class Means(NamedTuple):
    """Size of a published corpus.

    Attributes:
        utterances: number.
        seconds, words: mean of an utterance.
        raw_gb: files as distributed.
    """

    utterances: int
    seconds: float
    words: int
    raw_gb: float


MEANS = {
    "meld": Means(13_708, 3.1, 8, 10.9),
    "iemocap": Means(10_039, 4.5, 12, 12.0),
    "mosei": Means(23_259, 7.3, 19, 120.0),
    "ravdess": Means(1_440, 3.7, 6, 13.0),
}
AUDIO_BYTES = 18_000  # a second of 16 kHz FLAC
FRAME_BYTES = 25_000  # a JPEG with a short side of 256 pixels; a room has more than a face
FRAMES, FRAMES_PER_S = 15, 2.7  # uniform ones beside the dense, and every 10th of a film
MODEL_GB, VECTORS_GB = 0.7, 6.0  # a model of the Hub; word vectors, archive and text
#: Width of a feature whose parameters do not say it.
WIDTHS = {"is13": 6373, "compare_2016": 6373, "egemaps": 88, "egemaps_lld": 25}
WIDTH = 768
#: Rows of a feature per second, or per word; others have a row, or as many as frames.
PER_SECOND = {"mel": 100.0, "egemaps_lld": 100.0, "wav2vec2": 50.0}
PER_WORD = ("bert", "roberta", "glove", "fasttext", "covarep", "facet")
PER_FRAME = {"clip": 0, "clip_emotion": 0, "face": 0, "swin": FRAMES}


def size_of(folder: Path) -> int:
    """Bytes of the files below `folder`, without linked folders."""
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # a broken link: the step says so
                size += os.stat(os.path.join(place, name)).st_size  # noqa: PTH116, PTH118 - quick
    return size


def estimate(
    params: Params,
    root: Path,
    corpora: Iterable[str],
    checkpoints: Iterable[str],
    media: Iterable[str],
    features: Iterable[tuple[str, str]],
) -> int:
    """Roughly the bytes that a run writes, without the weights of trained systems.

    Args:
        params: params.yaml.
        root: the checkout.
        corpora: names of corpora to fetch.
        checkpoints: names of checkpoints to fetch.
        media: names of corpora to decode.
        features: corpus and name of each feature to extract.
    """
    total = sum(map(_of_checkpoint, (params.checkpoints[name] for name in checkpoints)))
    for name in corpora:
        if params.corpora[name].source == "official" and name in MEANS:
            total += 2 * MEANS[name].raw_gb * GB  # the archive, and what is in it
    media, features = list(media), list(features)
    # once for each corpus, because the files of its folder are counted
    lengths = {name: _seconds(params, root, name) for name in {*media, *(c for c, _ in features)}}
    for name in media:
        seconds = lengths[name]
        n = seconds / MEANS[name].seconds if seconds else 0
        uniform = n * (FRAMES + params.media.dense_frames)
        total += seconds * AUDIO_BYTES + (seconds * FRAMES_PER_S + uniform) * FRAME_BYTES
    return round(
        total
        + sum(_of_feature(params, lengths[corpus], corpus, feature) for corpus, feature in features)
    )


def _of_checkpoint(checkpoint: Any) -> float:
    return {"hub": MODEL_GB, "url": VECTORS_GB}.get(checkpoint.place, 0.0) * GB


def _seconds(params: Params, root: Path, corpus: str) -> float:
    """Length of all clips; 0 for corpora that are made here or are not published.

    A folder may hold a part of a corpus. Its size says which.
    """
    source = params.corpora[corpus].source
    if corpus not in MEANS or source == "demo":
        return 0.0
    means, share = MEANS[corpus], 1.0
    raw = root / paths.RAW.format(corpus=corpus)
    if raw.is_dir() or source != "official":
        present = size_of(raw if raw.is_dir() else paths.of_user(source))
        share = min(1.0, present / (means.raw_gb * GB))
    return means.utterances * means.seconds * share


def _of_feature(params: Params, seconds: float, corpus: str, feature: str) -> float:
    """Bytes of a feature store: 4 x width x rows.

    Args:
        params: params.yaml.
        seconds: length of all clips of the corpus.
        corpus, feature: names.
    """
    if corpus not in MEANS or params.corpora[corpus].source == "demo":
        return 0.0
    means, spec = MEANS[corpus], getattr(params.features, feature)
    width = getattr(spec, "dim", None) or getattr(spec, "n_mels", None)
    width = width or WIDTHS.get(feature.removesuffix("_aligned"), WIDTH)
    if feature.startswith(PER_WORD) or feature.endswith("_aligned"):
        rows = means.utterances * (1 if feature.endswith("_mean") else means.words)
        return 4.0 * width * rows
    n = seconds / means.seconds
    if feature in PER_FRAME:
        return 4.0 * width * (PER_FRAME[feature] * n or seconds * FRAMES_PER_S)
    return 4.0 * width * (seconds * PER_SECOND[feature] if feature in PER_SECOND else n)
