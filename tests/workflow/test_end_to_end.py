"""The whole pipeline with real steps, small: from a demo archive to the report."""

import json
import re

import crash
import pandas as pd
import pytest
import yaml

from merflow import artifacts, store
from merflow.evaluation.scored import Scores


@pytest.fixture(scope="module")
def small(tmp_path_factory, real_checkout, fewer_features, tiny_bert):
    """A finished checkout: one corpus, a few systems, one epoch and a tiny random checkpoint."""
    checkout = real_checkout(tmp_path_factory.mktemp("small") / "checkout")
    path = checkout.path / "params.yaml"
    fewer_features(path, ["meld"], bert=["bert"], audio=["is13"], face=["face"])
    params = yaml.safe_load(path.read_text())
    params["run"]["shards"] = {"meld": 2}
    params["run"]["weighted_late_fusion"]["bert"]["systems"] = ["text_bert_16"]
    params["papers"]["weighted_late_fusion"]["protocols"]["as_published"]["seeds"] = [1]
    params["checkpoints"]["bert"] = {"folder": str(tiny_bert)}
    for paper, system in (
        ("weighted_late_fusion", "text_bert_16"),
        ("joint_cnn", "text_lstm"),
        ("joint_cnn", "speech_cnn"),
    ):
        params["papers"][paper]["systems"][system]["training"]["epochs"] = 1
    path.write_text(yaml.safe_dump(params, sort_keys=False))
    checkout.snakemake()
    return checkout


def test_every_artifact_exists_and_fits_its_columns(small):
    utterances = store.read_table(
        small.path / "data/corpora/meld/utterances.parquet", artifacts.UTTERANCES
    )
    splits = store.read_table(small.path / "data/corpora/meld/splits.parquet", artifacts.SPLITS)
    splits = splits[splits["scheme"] == "official"]
    assert set(splits["split"]) == {"train", "dev", "test"}
    features = store.read_features(small.path / "data/features/meld/bert.parquet")
    assert set(features) == set(utterances.loc[utterances["text"].notna(), "utterance_id"])
    for feature, media, schema in (
        ("is13", "audio", artifacts.AUDIO),
        ("face", "frames_every10", artifacts.FRAMES),
    ):
        decoded = store.read_media(
            small.path / "data/media/meld" / media, schema, columns=["utterance_id"]
        )
        assert set(
            store.read_features(small.path / f"data/features/meld/{feature}.parquet")
        ) == set(decoded["utterance_id"])
    for protocol, seeds in (("as_published", {1}), ("clean", {1, 2})):
        folder = small.path / f"results/weighted_late_fusion/text_bert_16/meld-{protocol}"
        predictions = store.read_table(folder / "predictions.parquet", artifacts.PREDICTIONS)
        assert set(predictions["seed"]) == seeds
        test = set(splits.loc[splits["split"] == "test", "utterance_id"])
        assert set(predictions.loc[predictions["split"] == "test", "utterance_id"]) == test
    fused = json.loads(
        (small.path / "results/joint_cnn/unimodal_weighted/meld-clean/run.json").read_text()
    )
    assert set(fused["input_labels"]) == {"text", "speech"}
    assert all(sum(one["weights"].values()) == pytest.approx(1) for one in fused["runs"])
    scores = Scores.read(small.path / "results/scores").scores
    assert {
        "text_bert_16",
        "text_lstm",
        "speech_cnn",
        "unimodal_weighted",
        "majority",
        "chance",
    } <= set(scores["system"])
    assert set(scores["source"]) == {"demo"}


def test_the_table_holds_printed_ours_and_majority_with_sources(small):
    index = json.loads((small.path / "results/tables/index.json").read_text())["sections"]
    assert index
    tables = small.path / "results/tables/weighted_late_fusion"
    test = pd.read_csv(tables / "meld-test.csv")
    assert {"text_bert_16", "majority"} <= set(test["system"])
    printed = test[test["system"] == "text_bert_16"].iloc[0]
    assert printed["printed_weighted_f1"] == pytest.approx(0.5983)
    assert 0 < printed["clean_weighted_f1"] < 1
    assert printed["source"] == "demo"
    for suffix in ("md", "html"):
        assert "demo corpus" in (tables / f"meld-test.{suffix}").read_text()


def test_the_report_works_from_disk_without_network(small):
    page = (small.path / "results/report/index.html").read_text()
    assert "text_bert_16" in page and "majority" in page
    assert 'src="http' not in page and 'href="http' not in page.replace('href="https://github', "")


def test_nothing_is_left_to_do_in_either_tool(small):
    assert small.nothing_to_do()
    assert small.clean_for_dvc()


def test_status_shows_the_state_on_one_screen(small):
    shown = small.run("merflow", "status", COLUMNS="160").stdout
    assert "meld" in shown and "demo" in shown and "nothing to do" in shown
    assert re.search(r"joint_cnn +│ 2 of 2 +│ [\d.]+ +│ +│ +│", shown)  # weights: all, none to come
    assert re.search(r"weighted_late_fusion .* text_bert_16 \(about 1 MB a run\)", shown)
    assert "report results/report/index.html" in " ".join(shown.split())
    assert len(shown.splitlines()) <= 40


@pytest.mark.nightly  # every rebuild of the demo gives the bytes that dvc.lock records
def test_a_second_run_from_scratch_differs_in_seconds_only(small, tmp_path, real_checkout):
    other = real_checkout(tmp_path / "other")
    (other.path / "params.yaml").write_text((small.path / "params.yaml").read_text())
    other.set("run.shards.meld", 3)
    other.run("snakemake", "--cores", "1")
    one, two = crash.contents(small.path), crash.contents(other.path)
    assert len(one) > 100
    assert any("/weights/" in path for path in one)
    # media, features, checkpoints, weights, predictions, tables and pages to the byte
    assert crash.differing(one, two) == []


def test_bad_input_is_one_line_and_spares_earlier_artifacts(small, tmp_path):
    broken = tmp_path / "meld"
    broken.mkdir()
    for split in ("train", "dev", "test"):
        text = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,"
        text += "Season,Episode,StartTime,EndTime\n"
        text += '1,Hi,Ross,hapy,positive,0,0,1,1,"00:00:01,000","00:00:02,000"\n'
        (broken / f"{split}_sent_emo.csv").write_text(text)
    other = small.copy(tmp_path / "checkout")
    tables = {
        path: path.read_bytes() for path in (other.path / "results").rglob("*") if path.is_file()
    }
    other.set("corpora.meld.source", str(broken))
    done = other.snakemake(check=False)
    assert done.returncode != 0
    message = done.stderr.splitlines()[-1]  # below Snakemake's messages on rules and commands
    assert message.startswith("error: ") and "hapy" in message and "train_sent_emo.csv" in message
    assert {path: path.read_bytes() for path in tables} == tables
