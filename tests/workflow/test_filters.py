"""Filters run.corpora and run.papers: either tool makes exactly the steps that they select."""

import re

import pytest
from conftest import OTHER_STAGES
from test_pipeline import BELOW_SCORE

JOINT_CNN = {
    "fetch": 1,
    "prepare": 1,
    "checkpoint": 1,
    "decode": 1,
    "assemble": 1,
    "extract": 2,
    "merge": 2,
    "train": 3,
    "gather": 3,
}
JOINT_CNN |= BELOW_SCORE


def choose(checkout, corpora, papers):
    checkout.set("run.corpora", corpora)
    checkout.set("run.papers", papers)


@pytest.mark.parametrize("tool", ["snakemake", "dvc"])
def test_filters_select_the_steps_of_a_corpus_and_a_paper(clean, tool):
    choose(clean, ["meld"], ["joint_cnn"])
    if tool == "snakemake":
        clean.snakemake()
    else:
        clean.repro()
    assert clean.steps() == JOINT_CNN
    assert {path.parent.name for path in clean.path.glob("data/features/*/*")} == {"meld"}
    assert clean.nothing_to_do()
    assert clean.clean_for_dvc()


def test_dvc_with_old_axes_stops_in_one_line_and_can_restart(checkout):
    choose(checkout, ["meld"], ["joint_cnn"])
    stopped = checkout.dvc("repro", check=False)
    assert stopped.returncode != 0
    assert OTHER_STAGES in stopped.stderr.splitlines()
    assert "Traceback" not in stopped.stderr
    assert checkout.steps() == {}
    checkout.dvc("repro")
    assert checkout.steps() == BELOW_SCORE


def test_dvc_notices_axes_of_parameters_that_were_put_back(checkout):
    params = checkout.path / "params.yaml"
    before = params.read_text()
    checkout.set("run.weighted_late_fusion.bert.systems", ["text_bert_16"])
    checkout.snakemake("-n")  # writes the axes
    params.write_text(before)
    assert OTHER_STAGES in checkout.dvc("repro", check=False).stderr.splitlines()
    checkout.dvc("repro")
    assert checkout.steps() == {}


def test_a_filter_that_is_removed_again_costs_no_rerun(checkout):
    before = checkout.artifacts()
    choose(checkout, ["meld"], ["joint_cnn"])
    checkout.snakemake()
    assert checkout.steps() == BELOW_SCORE
    choose(
        checkout,
        ["meld", "ravdess"],
        ["weighted_late_fusion", "joint_cnn", "class_weight_lstm", "mel_cnn_bert", "deepmsi_mer"],
    )
    checkout.snakemake()
    assert checkout.steps() == BELOW_SCORE
    assert checkout.artifacts() == before
    assert checkout.clean_for_dvc()


def test_filters_of_the_paper_preset_plan_few_jobs(real_checkout, tmp_path):
    checkout = real_checkout(tmp_path / "checkout")
    checkout.run("merflow", "params", "paper", "--corpora", "ravdess", "--papers", "joint_cnn")
    planned = checkout.run("snakemake", "-n", "--quiet", "host", "--cores", "1").stdout
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", planned.rpartition("Job stats:")[2], re.MULTILINE))
    shards = 2  # params/paper.yaml: run.shards.ravdess
    results = 4 * 2  # systems of run.joint_cnn.speech, under two protocols
    trained = results * 5  # run.joint_cnn.jobs
    expected = {
        "fetch": 1,
        "prepare": 1,
        "decode": shards,
        "assemble": 1,
        "extract": shards,
        "merge": 1,
        "train": trained,
        "gather": results,
    }
    expected |= BELOW_SCORE | {"all": 1}
    assert jobs == {step: str(count) for step, count in expected.items()} | {
        "total": str(sum(expected.values()))
    }
    assert "is13 of ravdess" in planned and "train joint_cnn speech_cnn on ravdess" in planned


def test_a_filter_that_leaves_nothing_stops_before_the_first_job(clean):
    choose(clean, ["ravdess"], ["weighted_late_fusion"])
    done = clean.snakemake(check=False)
    assert done.returncode != 0
    reason = "no system of weighted_late_fusion is asked for on ravdess: nothing is left"
    assert f"params.yaml: run: {reason}" in done.stderr
    assert clean.steps() == {}
