"""Sources of a feature: the inputs of a stage as text, audio or frames."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import soundfile

from merflow import artifacts
from merflow.artifacts import SAMPLING_RATE, Defect
from merflow.errors import StoreError
from merflow.features.extractor import SHORTEST_S
from merflow.paths import Inputs
from merflow.shards import BLOCK
from merflow.store import read_media, read_table


class Texts:
    """Transcripts of the table of utterances."""

    block = BLOCK

    def __init__(self, utterances: Path):
        """Read all of them: text is small."""
        rows = read_table(utterances, artifacts.UTTERANCES, ["utterance_id", "text"]).dropna()
        self._texts = dict(zip(rows["utterance_id"], rows["text"], strict=True))
        self.ids = list(self._texts)
        self.defects: list[Defect] = []

    @classmethod
    def of(cls, inputs: Inputs, params: Any) -> "Texts":
        """Make the source of a stage's inputs; see `merflow.features.extractor.Source`."""
        return cls(inputs.utterances)

    def read(self, ids: Sequence[str]) -> list[str]:
        """Texts."""
        return [self._texts[utterance_id] for utterance_id in ids]


class Sounds:
    """FLAC of data/media/<corpus>/audio as float32 in -1..1, at least SHORTEST_S long."""

    block = BLOCK

    def __init__(self, folder: Path):
        """Read the ids only."""
        self._folder = folder
        self.ids = read_media(folder, artifacts.AUDIO, columns=["utterance_id"])[
            "utterance_id"
        ].tolist()
        self.defects: list[Defect] = []

    @classmethod
    def of(cls, inputs: Inputs, params: Any) -> "Sounds":
        """Make the source of a stage's inputs; see `merflow.features.extractor.Source`."""
        return cls(inputs.media["audio"])

    def read(self, ids: Sequence[str]) -> list[np.ndarray]:
        """(n_samples,) each.

        Raises:
            StoreError: a sound cannot be decoded, or has another sampling rate.
        """
        held = read_media(self._folder, artifacts.AUDIO, ids).set_index("utterance_id")["values"]
        return [self._decode(utterance_id, held[utterance_id]) for utterance_id in ids]

    def _decode(self, utterance_id: str, data: bytes) -> np.ndarray:
        try:
            samples, rate = soundfile.read(io.BytesIO(data), dtype="float32")
        except soundfile.LibsndfileError as error:
            raise StoreError(
                f"{self._folder}: {utterance_id}: not readable as FLAC ({error}); delete the folder and run again"
            ) from error
        if rate != SAMPLING_RATE or samples.ndim != 1:
            found = f"{rate} Hz, {samples.ndim} channels"
            raise StoreError(
                f"{self._folder}: {utterance_id}: {found}, expected {SAMPLING_RATE} Hz mono; delete the folder and run again"
            )
        short = round(SHORTEST_S * SAMPLING_RATE) - len(samples)
        if short > 0:
            detail = f"{len(samples) / SAMPLING_RATE:.3f} s of sound"
            self.defects.append(
                Defect(utterance_id, "short sound", detail, f"silence added up to {SHORTEST_S} s")
            )
            samples = np.pad(samples, (0, short))
        return samples


class Pictures:
    """JPEG of data/media/<corpus>/frames_* as uint8 RGB."""

    block = 16  # a second of a clip is a megabyte of every 10th picture

    def __init__(self, folder: Path):
        """Read the ids only."""
        self._folder = folder
        self.ids = (
            read_media(folder, artifacts.FRAMES, columns=["utterance_id"])["utterance_id"]
            .unique()
            .tolist()
        )
        self.defects: list[Defect] = []

    @classmethod
    def of(cls, inputs: Inputs, params: Any) -> "Pictures":
        """Make the source of a stage's inputs; see `merflow.features.extractor.Source`."""
        return cls(inputs.frames)

    def read(self, ids: Sequence[str]) -> list[np.ndarray]:
        """(n_pictures, height, width, 3) each, in order of time.

        Raises:
            StoreError: a picture cannot be decoded.
        """
        rows = read_media(self._folder, artifacts.FRAMES, ids)
        held = dict(iter(rows.groupby("utterance_id")["values"]))
        return [
            np.stack([decoded(self._folder, utterance_id, data) for data in held[utterance_id]])
            for utterance_id in ids
        ]


def decoded(folder: Path, utterance_id: str, data: bytes) -> np.ndarray:
    """A JPEG of `folder` as uint8 RGB (height, width, 3).

    Raises:
        StoreError: it cannot be decoded.
    """
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if picture is None:
        raise StoreError(
            f"{folder}: {utterance_id}: a picture is not readable as JPEG; delete the folder and run again"
        )
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
