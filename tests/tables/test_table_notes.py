import pytest
import yaml
from support import REPORTED
from support.score_tables import comparison_of

from merflow.errors import EvaluationError
from merflow.tables import paper_tables
from merflow.tables.reported import load
from merflow.tables.table_notes import load_notes, noted

PAPER = "weighted_late_fusion"
PRINTED = load(REPORTED, PAPER)
NOTE = {"table": "8", "corpora": ["meld"], "note": "A.", "source": "https://a.org"}


def read(folder, *notes):
    (folder / f"{PAPER}.notes.yaml").write_text(yaml.safe_dump(list(notes)))
    return load_notes(folder, PAPER, PRINTED)


@pytest.mark.parametrize("path", sorted(REPORTED.glob("*.notes.yaml")), ids=lambda path: path.stem)
def test_every_file_of_notes_is_valid(path):
    paper = path.name.removesuffix(".notes.yaml")
    assert load_notes(REPORTED, paper, load(REPORTED, paper))


def test_a_paper_may_have_no_notes(tmp_path):
    assert load_notes(tmp_path, PAPER, PRINTED) == []


def test_a_note_stands_below_its_table_with_its_source(make_scores):
    scores = make_scores(
        {"audio_wav2vec2": {"all": 0.2}, "video_clip": {"all": 0.2}}, PAPER, "meld"
    )
    comparison = comparison_of(PAPER, "meld", PRINTED, scores)
    notes = load_notes(REPORTED, PAPER, PRINTED)
    tables = {
        table.name: table.notes
        for table in noted(paper_tables.tables(comparison), comparison, notes)
    }
    assert sum("accuracy 0.1448" in note for note in tables["meld-table-8-clean"]) == 1
    assert tables["meld-table-8-clean"][-1].endswith(notes[-1].source)
    assert not any("elsewhere" in note for note in tables["meld-table-9-clean"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"table": "11"}, "prints no table '11' on 'meld'; known: 1, 10, 2"),
        ({"corpora": ["mosei"]}, "prints no table '8' on 'mosei'; known: none"),
        ({"source": "a book"}, "0.source: "),
        ({"note": ""}, "0.note: "),
    ],
)
def test_a_wrong_note_is_refused_in_one_line(tmp_path, change, message):
    with pytest.raises(EvaluationError, match=message) as raised:
        read(tmp_path, NOTE | change)
    assert "\n" not in str(raised.value)
