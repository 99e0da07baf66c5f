"""A loop of librosa and cv2.VideoCapture, as in most repositories of papers.

It runs in the environment of the peers. The last line of output is JSON.

    peers/bin/python benchmarks/peers/plain.py CLIPS_CSV SCRATCH HOP BANDS SIDE

HOP: samples at 16 kHz from window to window. SIDE: largest side of a frame, in pixels.
"""

import hashlib
import json
import shutil
import sys
from pathlib import Path

import cv2
import librosa
import numpy as np
import pandas as pd

EVERY = 10


def main() -> None:
    clips, scratch = pd.read_csv(sys.argv[1], keep_default_na=False), Path(sys.argv[2])
    hop, bands, side = map(int, sys.argv[3:])
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    failed, digest = {}, hashlib.sha256()
    for row in clips.itertuples():
        try:
            wave, rate = librosa.load(row.path, sr=16000)
            sizes = {"n_fft": 512, "win_length": 400, "hop_length": hop, "n_mels": bands}
            power = librosa.feature.melspectrogram(y=wave, sr=rate, **sizes)
            mel = librosa.power_to_db(power)
        except Exception as error:  # the benchmark counts whatever a library raises on a bad clip
            failed[row.utterance_id] = type(error).__name__
            continue
        video, frames, number = cv2.VideoCapture(row.path), [], 0
        while True:
            is_read, frame = video.read()
            if not is_read:
                break
            if number % EVERY == 0:
                large = min(frame.shape[:2]) > side
                frames.append(cv2.resize(frame, (side, side)) if large else frame)
            number += 1
        np.savez(scratch / f"{row.utterance_id}.npz", mel=mel, frames=np.array(frames))
        digest.update(mel.tobytes() + np.array(frames).tobytes())
    done = len(clips) - len(failed)
    print(json.dumps({"done": done, "failed": sorted(failed), "digest": digest.hexdigest()}))


if __name__ == "__main__":
    main()
