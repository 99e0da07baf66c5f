"""`merflow stores` shows decoded media and feature stores."""

import numpy as np
import pandas as pd
from rich.console import Console

from merflow import artifacts, store, stores


def test_stores_show_size_cost_and_defects(tmp_path):
    rows = pd.DataFrame(
        {
            "utterance_id": ["a", "a", "b"],
            "frame": [0, 10, 0],
            "time_s": [0.0, 0.4, 0.0],
            "values": [b"x", b"y", b"z"],
        }
    )
    media = tmp_path / "data/media/meld"
    store.write_table(media / "frames_every10" / "00000.parquet", rows, artifacts.FRAMES)
    store.write_index(media / "frames_every10", artifacts.FRAMES, {})
    (media / "defects.csv").write_text(
        "utterance_id,kind,detail,action,medium\n"
        "b,clip cut short,unexpected end,what is there is kept,\n"
        "b,no audio,the clip has no audio stream,left out of audio,audio\n"
        "c,no frames,the clip has no video stream,left out of frames,frames\n"
    )
    defects = [{"utterance_id": "a", "kind": "short sound", "detail": "", "action": ""}]
    arrays = {"a": np.ones((3, 8), np.float32), "b": np.ones((2, 8), np.float32)}
    path = tmp_path / "data/features/meld/wav2vec2.parquet"
    store.write_features(path, arrays.items(), {"checkpoint": {"name": "tiny"}}, lambda: defects)
    (tmp_path / "build/logs/extract").mkdir(parents=True)
    for shard in range(2):
        (tmp_path / f"build/logs/extract/meld-wav2vec2-{shard}-of-2.tsv").write_text(
            "s\tmax_rss\tcpu_time\n1.5\t20.0\t1.25\n"
        )

    frames, wav2vec2 = stores.overview(tmp_path)
    media_row = {"store": "frames_every10", "utterances": 2, "frames": 3}
    assert frames | media_row | {"defects": "clip cut short 1, no frames 1"} == frames
    feature_row = {"utterances": 2, "frames": 5, "dim": 8, "bytes": path.stat().st_size}
    origin = {"seconds": 3.0, "with": "tiny", "defects": "short sound 1"}
    assert wav2vec2 | feature_row | origin == wav2vec2

    console = Console(width=160, record=True)
    stores.show(tmp_path, console)
    assert "wav2vec2" in console.export_text()


def test_without_stores_it_says_how_to_make_them(tmp_path):
    console = Console(width=160, record=True)
    stores.show(tmp_path, console)
    assert "snakemake --cores 2" in console.export_text()
