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


class TextSource:
    """Transcripts of the table of utterances."""

    block = BLOCK

    def __init__(self, utterances: Path):
        """Read all transcripts, which are small."""
        rows = read_table(utterances, artifacts.UTTERANCES, ["utterance_id", "text"]).dropna()
        self._texts = dict(zip(rows["utterance_id"], rows["text"], strict=True))
        self.ids = list(self._texts)
        self.defects: list[Defect] = []

    @classmethod
    def of(cls, inputs: Inputs, params: Any) -> "TextSource":
        """Open the source among the inputs of a stage."""
        return cls(inputs.utterances)

    def read(self, ids: Sequence[str]) -> list[str]:
        """Read texts."""
        return [self._texts[utterance_id] for utterance_id in ids]


class AudioSource:
    """Audio of data/media/<corpus>/audio, at least SHORTEST_S long."""

    block = BLOCK

    def __init__(self, folder: Path):
        """Read the ids only."""
        self._folder = folder
        rows = read_media(folder, artifacts.AUDIO, columns=["utterance_id"])
        self.ids = rows["utterance_id"].tolist()
        self.defects: list[Defect] = []

    @classmethod
    def of(cls, inputs: Inputs, params: Any) -> "AudioSource":
        """Open the source among the inputs of a stage."""
        return cls(inputs.media["audio"])

    def read(self, ids: Sequence[str]) -> list[np.ndarray]:
        """Read waveforms, float32 (n_samples,) in -1..1.

        Raises:
            StoreError: audio cannot be decoded, or has another sampling rate.
        """
        rows = read_media(self._folder, artifacts.AUDIO, ids).set_index("utterance_id")
        return [self._decode(utterance_id, rows.at[utterance_id, "values"]) for utterance_id in ids]

    def _decode(self, utterance_id: str, data: bytes) -> np.ndarray:
        try:
            samples, rate = soundfile.read(io.BytesIO(data), dtype="float32")
        except soundfile.LibsndfileError as error:
            raise StoreError(
                f"{self._folder}: {utterance_id}: not readable as FLAC ({error}); "
                "delete the folder and run again"
            ) from error
        if rate != SAMPLING_RATE or samples.ndim != 1:
            raise StoreError(
                f"{self._folder}: {utterance_id}: {rate} Hz, {samples.ndim} channels, expected "
                f"{SAMPLING_RATE} Hz mono; delete the folder and run again"
            )
        missing = round(SHORTEST_S * SAMPLING_RATE) - len(samples)
        if missing > 0:
            detail = f"{len(samples) / SAMPLING_RATE:.3f} s of sound"
            action = f"silence added up to {SHORTEST_S} s"
            self.defects.append(Defect(utterance_id, "short sound", detail, action))
            samples = np.pad(samples, (0, missing))
        return samples


class FrameSource:
    """Frames of data/media/<corpus>/frames_*."""

    block = 16  # every 10th frame of a second of a clip takes a megabyte

    def __init__(self, folder: Path):
        """Read the ids only."""
        self._folder = folder
        rows = read_media(folder, artifacts.FRAMES, columns=["utterance_id"])
        self.ids = rows["utterance_id"].unique().tolist()
        self.defects: list[Defect] = []

    @classmethod
    def of(cls, inputs: Inputs, params: Any) -> "FrameSource":
        """Open the source among the inputs of a stage."""
        return cls(inputs.frames)

    def read(self, ids: Sequence[str]) -> list[np.ndarray]:
        """Read frames in order of time, uint8 RGB (n_frames, height, width, 3).

        Raises:
            StoreError: a frame cannot be decoded.
        """
        rows = read_media(self._folder, artifacts.FRAMES, ids)
        values = dict(iter(rows.groupby("utterance_id")["values"]))
        return [
            np.stack(
                [decode_jpeg(self._folder, utterance_id, data) for data in values[utterance_id]]
            )
            for utterance_id in ids
        ]


def decode_jpeg(folder: Path, utterance_id: str, data: bytes) -> np.ndarray:
    """Decode a frame of `folder` to uint8 RGB (height, width, 3).

    Raises:
        StoreError: `data` is not a JPEG.
    """
    frame = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if frame is None:
        raise StoreError(
            f"{folder}: {utterance_id}: a frame is not readable as JPEG; "
            "delete the folder and run again"
        )
    return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
