"""Start and end of a run in which something is missing: what is said, and what is made."""

import json
from pathlib import Path
from types import SimpleNamespace

import before_jobs
import failures
import pytest
from conftest import kill_tree

BELOW_SCORE = {"score": 1, "tables": 1, "report": 1}
RESULTS = "results/weighted_late_fusion/text_bert_8"
REPORT = "results/report/index.html"


@pytest.fixture
def partial(checkout):
    """A finished checkout that lost results and a corpus, and may go on without."""
    checkout.set("evaluation.allow_missing", True)
    for protocol in ("as_published", "clean"):
        (checkout.path / f"{RESULTS}/meld-{protocol}/predictions.parquet").unlink()
    (checkout.path / "data/raw/ravdess/SOURCE.json").unlink()
    return checkout


def stale_for_dvc(checkout) -> set[str]:
    stages = json.loads(checkout.dvc("status", "--json").stdout)
    return {name.partition("@")[0] for name in stages} - {"code"}


def test_a_failed_run_ends_with_the_report_of_the_rest(partial):
    failed = partial.snakemake(check=False, FAKE_FAIL="ravdess text_bert_8")
    assert failed.returncode != 0
    assert {step: n for step, n in partial.steps().items() if step in BELOW_SCORE} == BELOW_SCORE
    assert f"report of the 5 of 7 results that were made: {REPORT}" in failed.stderr
    missing = {"fetch", "prepare", "decode", "weighted_late_fusion_bert"}  # and their readers
    assert stale_for_dvc(partial) == missing
    again = partial.snakemake(check=False, FAKE_FAIL="ravdess text_bert_8")  # still without
    assert again.returncode != 0
    assert not set(partial.steps()) & set(BELOW_SCORE)
    partial.snakemake()
    assert partial.steps()["score"] == 1
    assert partial.nothing_to_do()
    assert partial.clean_for_dvc()


def test_a_failed_run_ends_with_a_table_of_its_jobs(checkout):
    checkout.set("features.bert.max_tokens", 64)
    failed = checkout.snakemake(check=False, FAKE_FAIL="extract", COLUMNS="120")
    title, *rows, last = failed.stderr[failed.stderr.index("jobs that failed") :].splitlines()
    assert title.strip() == "jobs that failed"
    assert max(map(len, rows)) <= 120
    text = " ".join(rows)
    assert "extract [b] was told to fail" in text  # square brackets are no markup
    assert "and 1 others" in text
    assert last == "error: extract [b] was told to fail"


def test_several_reasons_are_a_table_and_a_count(monkeypatch, capsys):
    monkeypatch.setattr(failures.atexit, "register", lambda show: show())
    monkeypatch.setenv("COLUMNS", "100")
    shared = [
        failures.Failure(f"train {k}", "no [room]", "a.log", frozenset({1, k})) for k in (2, 3)
    ]
    killed = failures.Failure("fetch meld", failures.UNKNOWN, "b.log", frozenset({1, 4}))
    failures.end([*shared, killed], ["report of the rest", None])
    *table, remark, last = capsys.readouterr().err.splitlines()
    (room,) = [line for line in table if "no [room]" in line]
    assert "train 2 and 1 others" in room and " 3 " in room and "a.log" in room
    assert remark == "report of the rest"
    assert last.startswith("error: 3 jobs failed, and 4 were not run because of that; mend what")
    failures.end([killed])
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: 1 job failed, and 2 were")
    failures.end([])
    assert capsys.readouterr().err == failures.INTERRUPTED + "\n"


@pytest.mark.nightly
def test_a_kill_while_the_report_is_made_resumes(partial):
    run = partial.start("snakemake", "--cores", "2", FAKE_FAIL="text_bert_8", FAKE_HANG="tables")
    partial.wait_for("tables")
    kill_tree(run.pid)
    run.wait()
    partial.steps()
    again = partial.snakemake(check=False, FAKE_FAIL="text_bert_8")
    assert again.returncode != 0
    assert {step: n for step, n in partial.steps().items() if step in BELOW_SCORE} == {
        "tables": 1,
        "report": 1,
    }
    assert stale_for_dvc(partial) == {"weighted_late_fusion_bert"}
    partial.snakemake()
    assert partial.nothing_to_do()
    assert partial.clean_for_dvc()


def test_what_is_missing_is_said_before_the_first_job(clean):
    clean.set("corpora.meld.source", "/nowhere/meld")
    clean.set("corpora.ravdess.source", "/nowhere/ravdess")
    refused = clean.snakemake(check=False)
    assert refused.returncode == 1
    *_, meld, ravdess, last = refused.stderr.splitlines()
    assert meld.startswith("error: /nowhere/meld: no such folder; correct corpora.meld.source")
    assert ravdess.startswith("error: /nowhere/ravdess: no such folder;")
    assert last.startswith("error: nothing was run,") and "evaluation.allow_missing: true" in last
    assert clean.steps() == {}
    clean.snakemake("-n")  # plans as before
    clean.set("corpora.ravdess.source", "demo")
    clean.snakemake("--", "data/raw/ravdess/SOURCE.json")  # nothing is asked about meld
    assert clean.steps() == {"fetch": 1}


def test_only_the_first_stage_of_dvc_repro_asks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(".snakemake").mkdir()
    processes = [(7, 100.0), (7, 100.9), (7, 100.1), (8, 100.0), (8, 900.0)]  # read with an error
    asked = []
    for pid, started in processes:
        owner = SimpleNamespace(pid=pid, create_time=lambda started=started: started)
        monkeypatch.setattr(before_jobs.warm_process, "owner", lambda owner=owner: owner)
        asked.append(before_jobs._first_stage())
    assert asked == [True, False, False, True, True]
