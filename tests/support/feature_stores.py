"""Small decoded media, word timestamps and feature stores."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import soundfile

from merflow import artifacts
from merflow.features.extract import extract_shard, merge_shards
from merflow.paths import Inputs
from merflow.store import write_index, write_table

MEL = {
    "n_fft": 512,
    "win_length": 400,
    "hop_length": 160,
    "n_mels": 40,
    "fmin": 0.0,
    "fmax": 8000.0,
    "decibels": True,
}


def build_store(
    folder: Path,
    inputs: Sequence[Path],
    shards: int,
    feature: str,
    params: Mapping[str, Any],
) -> Path:
    """Extract `feature` in shards and merge them."""
    paths = [folder / f"{feature}-{k}-of-{shards}.parquet" for k in range(shards)]
    for k, path in enumerate(paths):
        extract_shard(feature, params, "c0", Inputs.of(inputs), k, shards, path)
    merge_shards(paths, folder / f"{feature}-{shards}.parquet")
    return folder / f"{feature}-{shards}.parquet"


def write_waveforms(folder: Path, waveforms: Mapping[str, np.ndarray], rate: int = 16_000) -> Path:
    """Write decoded audio by utterance, and return INDEX.json of the folder."""
    rows = []
    for utterance_id, waveform in sorted(waveforms.items()):
        file = io.BytesIO()
        soundfile.write(file, waveform, rate, format="FLAC", subtype="PCM_16")
        row = {"utterance_id": utterance_id, "n_samples": len(waveform), "values": file.getvalue()}
        rows.append(row)
    if rows:
        write_table(folder / "00000.parquet", pd.DataFrame(rows), artifacts.AUDIO)
    folder.mkdir(exist_ok=True)
    write_index(folder, artifacts.AUDIO, {})
    return folder / "INDEX.json"


def write_noise(folder: Path, lengths: Mapping[str, int], rate: int = 16_000) -> Path:
    """Write noise as decoded audio: utterance id -> samples; a negative number is silence."""
    rng = np.random.default_rng(1)
    waveforms = {
        utterance_id: rng.uniform(-0.1, 0.1, abs(length)) * (length > 0)
        for utterance_id, length in sorted(lengths.items())
    }
    return write_waveforms(folder / "audio", waveforms, rate)


def write_csd(path: Path, videos: Mapping[str, tuple]) -> None:
    """Write a computational sequence: video -> features and intervals in seconds."""
    with h5py.File(path, "w") as file:
        for video, (features, intervals) in videos.items():
            group = file.create_group(f"name/data/{video}")
            group["features"], group["intervals"] = features, np.asarray(intervals, np.float64)


def write_utterances(path: Path, spans: Sequence[tuple[str, str, float, float]]) -> Path:
    """Write utterances.parquet: utterance, video, start and end in seconds."""
    rows = pd.DataFrame(spans, columns=["utterance_id", "dialogue_id", "start_s", "end_s"])
    rows = rows.assign(turn=0, speaker="", labels=[[] for _ in spans])
    write_table(path, rows.reindex(columns=artifacts.UTTERANCES.names), artifacts.UTTERANCES)
    return path
