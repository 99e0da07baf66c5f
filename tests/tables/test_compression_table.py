import pytest
from support import REPORTED
from support.built_tables import cells_of
from support.score_tables import comparison_of, joined, no_scores

from merflow.tables.compression import tables
from merflow.tables.reported import load

PAPER = "deepmsi_mer"
PRINTED = load(REPORTED, PAPER)
SYSTEMS = {"text_audio_video": 0.7, "without_vsc": 0.72, "audio": 0.4}
TOKENS = {"text_audio_video": (300.0, 60.0, 12.0), "without_vsc": (784.0, 196.0, 49.0)}


def token_rows(system):
    """Rows of a system that counts its tokens."""
    row = {"paper": PAPER, "system": system, "corpus": "iemocap", "source": "official"}
    row |= {"protocol": "clean", "n_classes": 6, "multi_label": False, "split": "test", "n": 100}
    stages = {None: sum(TOKENS[system])}
    stages |= {f"stage {number}": count for number, count in enumerate(TOKENS[system], 2)}
    for stage, count in stages.items():
        yield row | {"metric": "tokens", "class": stage, "value": count}
    yield row | {"metric": "clip_s", "value": 0.0123}


@pytest.fixture
def comparison(make_scores):
    def make(compressing=("text_audio_video", "without_vsc")):
        figures = {
            name: {"accuracy": value, "weighted_f1": value} for name, value in SYSTEMS.items()
        }
        rows = [row for system in compressing for row in token_rows(system)]
        scores = joined(make_scores(figures, PAPER), no_scores(scores=rows))
        return comparison_of(PAPER, "iemocap", PRINTED, scores)

    return make


def test_a_system_has_tokens_time_scores_and_difference(comparison):
    (table,) = tables(comparison())
    cells = cells_of(table)
    assert set(cells) == {"text_audio_video", "without_vsc"}
    whole, without = cells["text_audio_video"], cells["without_vsc"]
    stages = [whole[f"tokens: stage {number}"] for number in (2, 3, 4)]
    assert stages == ["300.0", "60.0", "12.0"]
    assert (whole["share"], whole["ms per clip"], without["share"]) == ("36.2", "12.30", "100.0")
    group = "weighted F1, minus text_audio_video"
    assert without["accuracy"] == "72.00 ± 0.00"
    assert whole[f"{group}: difference"] == "–"
    difference = (without[f"{group}: difference"], without[f"{group}: 95 % interval"])
    assert difference == ("+2.00", "[0.00, +4.00]")


def test_there_is_no_table_without_compression(comparison):
    assert list(tables(comparison(()))) == []
