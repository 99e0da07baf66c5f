import shutil
from dataclasses import replace

import pytest
import yaml
from support import REPORTED, ROOT
from support.score_tables import comparison_of, no_scores

from merflow.errors import EvaluationError
from merflow.evaluation.score import score
from merflow.params import EvaluationParams
from merflow.params.keys import unknown_part
from merflow.registry import PAPERS
from merflow.tables.compare import build
from merflow.tables.deviation_tables import NOTE, PAGE, page, table
from merflow.tables.deviations import load_deviations, pairs_of
from merflow.tables.report import write
from merflow.tables.reported import load

PAPER = "joint_cnn"
EFFECT = {
    "of": "joint_cnn",
    "against": "text_lstm",
    "metric": "weighted_f1",
    "corpora": ["iemocap"],
}
POSITIONS = {
    "id": "positions",
    "kind": "reading",
    "where": "2.1 Text, sentence 4",
    "paper": "The LSTM gets *one* vector.",
    "here": "The LSTM reads positions.",
    "why": "One vector has no time axis.",
    "systems": ["text_lstm"],
    "params": ["papers.joint_cnn.systems.text_lstm.network.sequence"],
    "effect": [EFFECT],
}
OTHER = {
    "id": "four_classes",
    "kind": "absent",
    "where": "5",
    "paper": "P.",
    "here": "H.",
    "why": "W.",
}


def write_file(folder, *entries, paper=PAPER):
    (folder / f"{paper}.deviations.yaml").write_text(yaml.safe_dump(list(entries)))
    return load_deviations(folder, paper)


def shown(folder, scores, *entries):
    """Rows of the table by id."""
    comparison = comparison_of(PAPER, "iemocap", load(REPORTED, PAPER), scores)
    made = table(PAPER, write_file(folder, *entries), [comparison])
    return made, made.frame.set_index("id")


@pytest.mark.parametrize("paper", PAPERS)
def test_every_paper_has_deviations_with_keys_of_the_preset(paper):
    preset = yaml.safe_load((ROOT / "params/paper.yaml").read_text(encoding="utf-8"))
    deviations = load_deviations(REPORTED, paper)
    assert deviations
    for key in (key for deviation in deviations for key in deviation.params):
        block = preset
        for part in key.split("."):
            assert part in block, key
            block = block[part]


def test_a_file_is_read_with_all_its_keys(tmp_path):
    full, short = write_file(tmp_path, POSITIONS, OTHER)
    assert full.model_dump() == POSITIONS
    assert (short.systems, short.params, short.effect) == (None, [], [])
    assert load_deviations(tmp_path, "mel_cnn_bert") == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"kind": "fault"},
            "kind: input should be 'deviation', 'reading' or 'absent', not 'fault'",
        ),
        ({"id": "Two words"}, "deviations.yaml, Two words: id: string should match pattern"),
        ({"id": None}, "deviations.yaml, entry 1: id: input should be a valid string"),
        ({"why": ""}, "positions: why: string should have at least 1 character"),
        ({"here": True}, "positions: here: input should be a valid string, not True"),
        ({"reason": "R."}, "positions: reason: unknown key; allowed here: id, kind, where"),
        ({"systems": ["lstm"]}, "positions: unknown system 'lstm'; known: speech_cnn, "),
        ({"systems": []}, "positions: systems: list should have at least 1 item"),
        (
            {"params": ["papers.joint_cnn.systems.text_lstm.network.seqence"]},
            "network.seqence: 'seqence' is none of lstm",
        ),
        ({"params": ["feature.is13"]}, "params.yaml has no key feature.is13: 'feature' is none of"),
        ({"effect": [EFFECT | {"of": "TFN"}]}, "positions: unknown system 'TFN'"),
        (
            {"effect": [EFFECT | {"metric": "f2"}]},
            "positions: unknown metric 'f2'; known: accuracy",
        ),
        ({"effect": [EFFECT | {"corpora": ["savee"]}]}, "positions: unknown corpus 'savee'; known"),
        ({"effect": [EFFECT | {"of": "text_lstm"}]}, "text_lstm has no difference from itself"),
        ({"effect": [{"of": "joint_cnn"}]}, "positions: effect.0.against: missing"),
    ],
)
def test_a_wrong_entry_is_refused_in_one_line_with_its_id(tmp_path, changes, message):
    with pytest.raises(EvaluationError) as raised:
        write_file(tmp_path, POSITIONS | changes)
    assert message in str(raised.value) and "\n" not in str(raised.value)
    assert str(tmp_path / f"{PAPER}.deviations.yaml") in str(raised.value)


def test_a_wrong_file_of_deviations_is_refused_in_one_line(tmp_path):
    with pytest.raises(EvaluationError, match="positions: stands 2 times; give each entry an id"):
        write_file(tmp_path, POSITIONS, POSITIONS)
    for text, message in (("- [", "not YAML"), ("id: a", "expected a list of entries")):
        (tmp_path / f"{PAPER}.deviations.yaml").write_text(text)
        with pytest.raises(EvaluationError, match=message):
            load_deviations(tmp_path, PAPER)


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        ("features.wav2vec2.output", ""),
        ("papers.joint_cnn.protocols.clean.scheme.iemocap", ""),
        ("checkpoints.bert", ""),
        ("features.wav2vec2.outputs", "'outputs' is none of output"),
        ("papers.joint_cnn.protocols.dirty", "'dirty' is none of as_published, clean"),
        ("training.precision.x", "nothing has a name of its own there, so no 'x'"),
    ],
)
def test_dotted_keys_are_looked_up_in_the_model(key, fault):
    assert unknown_part(key) == fault


def test_an_effect_is_the_paired_difference_of_the_scores(tmp_path, make_scores):
    scores = make_scores({"joint_cnn": {"all": 0.5}, "text_lstm": {"all": 0.53}})
    made, rows = shown(tmp_path, scores, POSITIONS, OTHER)
    pair = "weighted F1 of joint_cnn minus text_lstm on iemocap"
    assert rows["effect"].to_dict() == {
        "positions": f"{pair}: clean −3.00 [−5.00, −1.00]",
        "four_classes": "not measured here",
    }
    assert rows["systems"].tolist() == ["text_lstm", "all"]
    assert rows["form"].tolist() == ["reading", "not done"]
    assert made.cells[0][5] == f"The LSTM reads positions. [{POSITIONS['params'][0]}]"
    assert made.caption.endswith(" 1 reading, 1 not done.")
    assert not made.demo and not any(row.runs for row in made.rendered.rows)


def test_without_a_pair_an_effect_is_the_difference_of_means(tmp_path, make_scores):
    scores = make_scores({"joint_cnn": {"all": 0.5}, "text_lstm": {"all": 0.53}})
    without = replace(scores, differences=no_scores().differences)
    _, rows = shown(tmp_path, without, POSITIONS)
    assert rows.loc["positions", "effect"].endswith("on iemocap: clean −3.00")


@pytest.mark.parametrize("changes", [{"against": "speech_cnn"}, {"corpora": ["ravdess"]}])
def test_an_effect_without_scores_is_not_measured(tmp_path, make_scores, changes):
    scores = make_scores({"joint_cnn": {"all": 0.5}, "text_lstm": {"all": 0.53}})
    _, rows = shown(tmp_path, scores, POSITIONS | {"effect": [EFFECT | changes]})
    assert rows["effect"].tolist() == ["not measured here"]


def test_an_effect_on_a_demo_corpus_says_so(tmp_path, make_scores):
    systems = {"joint_cnn": {"all": 0.5}, "text_lstm": {"all": 0.53}}
    made, rows = shown(tmp_path, make_scores(systems, source="demo"), POSITIONS)
    assert "on demo corpus in the layout of iemocap: clean" in rows.loc["positions", "effect"]
    layout = "demo corpus in the layout of iemocap"
    assert made.demo and made.title == f"Deviations from the paper, {layout}."
    assert made.notes[0] == f"Demo: ours are figures on a {layout}, no results on it."


def test_the_page_of_a_paper_shows_its_deviations(tmp_path, make_corpus, make_result):
    paper, corpus = "weighted_late_fusion", make_corpus()
    (tmp_path / "reported").mkdir()
    shutil.copy(REPORTED / f"{paper}.csv", tmp_path / "reported")
    write_file(tmp_path / "reported", OTHER, paper=paper)
    results, evaluation = (
        [make_result(corpus)],
        EvaluationParams(resamples=100, confidence=0.95, seed=1),
    )
    score(results, [corpus], evaluation, tmp_path / "scores")
    build(tmp_path / "scores", tmp_path / "reported", tmp_path / "tables")
    write(tmp_path / "tables", results, [corpus], [], tmp_path / "report")
    text = (tmp_path / "report" / f"{paper}.html").read_text()
    section = text[text.index(f'id="{paper}-deviations"') :]
    assert section.index("four classes") < section.index("not measured here")
    # Linked from the head of the page, and from below each table of the section.
    assert text.count(f'href="#{paper}-deviations"') > 5
    assert {path.suffix for path in (tmp_path / "tables" / paper).glob("deviations.*")} == {
        *(".md", ".csv", ".html", ".tex", ".json")
    }
    assert NOTE in (tmp_path / "tables" / paper / "meld-table-3-clean.md").read_text()
    assert NOTE not in (tmp_path / "tables" / paper / "meld-test.md").read_text()


def test_the_page_of_docs_is_what_the_files_say(tmp_path):
    write_file(tmp_path, POSITIONS, OTHER)
    text = page(tmp_path)
    assert "## joint_cnn\n\n`reported/joint_cnn.deviations.yaml`\n" in text
    assert "### positions\n\nReading, at 2.1 Text, sentence 4.\n\n- The paper: The LSTM" in text
    assert r"\*one*" in text and "- Systems: `text_lstm`\n" in text
    assert "- Shown by: weighted F1 of `joint_cnn` minus `text_lstm` on iemocap\n" in text
    assert (ROOT / PAGE).read_text(encoding="utf-8") == page(REPORTED), (
        "python -m merflow.tables.deviation_tables writes it"
    )


def test_pairs_of_an_effect_are_those_on_the_corpus(tmp_path):
    deviations = write_file(tmp_path, POSITIONS, OTHER)
    pairs = {
        frozenset((effect.of, effect.against))
        for deviation in deviations
        for effect in deviation.effect
        if "iemocap" in effect.corpora
    }
    assert pairs and pairs_of(deviations, "iemocap") == pairs
    assert pairs_of(deviations, "ravdess") == set()
