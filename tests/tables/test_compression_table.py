from pathlib import Path

import pandas as pd
import pytest

from merflow.tables.comparison import Comparison
from merflow.tables.compression import tables
from merflow.tables.reported import load

PRINTED = load(Path(__file__).parents[2] / "reported", "deepmsi_mer")
SYSTEMS = {"text_audio_video": 0.7, "without_vsc": 0.72, "audio": 0.4}


@pytest.fixture
def view(make_scores):
    def make(counted=("text_audio_video", "without_vsc")):
        ours = make_scores(
            {name: {"accuracy": value, "weighted_f1": value} for name, value in SYSTEMS.items()},
            "deepmsi_mer",
        )
        stages = {"text_audio_video": (300.0, 60.0, 12.0), "without_vsc": (784.0, 196.0, 49.0)}
        about = {
            "paper": "deepmsi_mer",
            "corpus": "iemocap",
            "source": "official",
            "protocol": "clean",
            "classes": 6,
        }
        about |= {"split": "test", "n": 100}
        rows = []
        for name in counted:
            found = [
                (None, sum(stages[name])),
                *((f"stage {k}", count) for k, count in enumerate(stages[name], 2)),
            ]
            rows += [
                about | {"system": name, "metric": "tokens", "class": key, "value": value}
                for key, value in found
            ]
            rows.append(about | {"system": name, "metric": "clip_s", "value": 0.0123})
        more = pd.DataFrame(rows, columns=ours.columns).astype({"fold": "Int32", "seed": "Int32"})
        return Comparison(
            "deepmsi_mer", "iemocap", PRINTED, pd.concat([ours, more], ignore_index=True), 0.95
        )

    return make


def test_systems_stand_with_their_tokens_time_scores_and_difference_from_the_paper_s_own(view):
    (table,) = tables(view())
    headers = [column.header for column in table.columns]
    cells = {row[0]: dict(zip(headers[1:], row[1:], strict=True)) for row in table.cells}
    assert set(cells) == {"text_audio_video", "without_vsc"}
    whole, without = cells["text_audio_video"], cells["without_vsc"]
    assert [whole[name] for name in ("stage 2", "stage 3", "stage 4", "share", "ms per clip")] == [
        "300.0",
        "60.0",
        "12.0",
        "36.2",
        "12.30",
    ]
    assert (without["share"], without["accuracy"], whole["difference"]) == (
        "100.0",
        "72.00 ± 0.00",
        "–",
    )
    assert (without["difference"], without["95 % interval"]) == ("+2.00", "[0.00, +4.00]")
    assert "weighted F1, minus text_audio_video" in {column.group for column in table.columns}


def test_without_such_systems_there_is_no_table(view):
    assert list(tables(view(()))) == []
