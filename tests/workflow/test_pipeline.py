"""One pipeline, two tools: a change re-runs exactly what it reaches, through Snakemake and DVC.

The steps are stand-ins (fake_merflow.py). The Snakefile, the rules, dvc.yaml, the digests of code,
params.yaml and both tools are real.
"""

import subprocess
from collections import Counter
from pathlib import Path

import pytest
import yaml
from support import ROOT

ALL = {
    "fetch": 2,
    "prepare": 2,
    "checkpoint": 2,
    "decode": 2,
    "assemble": 2,
    "extract": 6,
    "merge": 6,
    "train": 7,
    "gather": 7,
}
ALL |= {"score": 1, "tables": 1, "report": 1}
BELOW_SCORE = {"score": 1, "tables": 1, "report": 1}
ONE_SYSTEM = {"train": 2, "gather": 2} | BELOW_SCORE  # as published and clean
PICTURES = {
    "decode": 2,
    "assemble": 2,
    "extract": 4,
    "merge": 4,
    "train": 2,
    "gather": 2,
} | BELOW_SCORE
ONE_FUSION = {"train": 1, "gather": 1} | BELOW_SCORE
LEARNING_RATE = "papers.weighted_late_fusion.systems.text_bert_16.training.learning_rate"


def test_after_snakemake_neither_tool_has_anything_to_do(checkout):
    assert checkout.nothing_to_do()
    assert checkout.clean_for_dvc()
    checkout.dvc("repro")
    assert checkout.steps() == {}


def test_dvc_repro_does_the_same_job(clean, built):
    clean.dvc("repro")
    assert clean.steps() == ALL
    assert clean.nothing_to_do()
    assert clean.clean_for_dvc()
    by_dvc, by_snakemake = (
        {path.relative_to(root): path.read_text() for path in root.glob("results/**/*.*")}
        for root in (clean.path, built)
    )
    assert by_dvc == by_snakemake


LONG = pytest.mark.nightly  # others among the changes reach their end by the same path
CHANGES = [
    pytest.param(
        lambda c: c.set(LEARNING_RATE, 3e-4),
        ONE_SYSTEM,
        ONE_SYSTEM,
        id="a learning rate of one system",
    ),
    pytest.param(
        lambda c: c.set("papers.weighted_late_fusion.protocols.clean.seeds", [1, 2, 3]),
        {"train": 2, "gather": 2} | BELOW_SCORE,
        None,
        id="a seed more in one paper's clean protocol",
        marks=LONG,
    ),
    pytest.param(
        lambda c: c.set("papers.joint_cnn.systems.text_lstm.network.lstm", 64),
        {"train": 2, "gather": 2}
        | BELOW_SCORE,  # and the fusion that takes its output, not the speech system
        None,
        id="a system that a fusion takes",
        marks=LONG,
    ),
    pytest.param(
        lambda c: c.set("corpora.meld.source", "params"),
        {
            "fetch": 1,
            "prepare": 1,
            "decode": 1,
            "assemble": 1,
            "extract": 3,
            "merge": 3,
            "train": 7,
            "gather": 7,
        }
        | BELOW_SCORE,
        None,
        id="the source of one corpus",
        marks=LONG,
    ),
    pytest.param(
        lambda c: c.edit("src/merflow/papers/joint_cnn.py", "SYSTEMS", "MARK = 1\nSYSTEMS"),
        {"train": 3, "gather": 3} | BELOW_SCORE,
        {"train": 3, "gather": 3},  # DVC stops where content is the same
        id="the code of one paper",
    ),
    pytest.param(
        lambda c: c.set("papers.joint_cnn.systems.unimodal_weighted.step", 0.05),
        ONE_FUSION,
        None,
        id="the step of a fusion's weights",
    ),
    pytest.param(
        lambda c: c.set("features.bert.max_tokens", 64),
        {"extract": 2, "merge": 2, "train": 2, "gather": 2} | BELOW_SCORE,
        None,
        id="a parameter of a text feature, of both corpora",
    ),
    pytest.param(
        lambda c: c.set("media.jpeg_quality", 90),
        PICTURES,
        None,
        id="the quality of decoded pictures",
        marks=LONG,
    ),
    pytest.param(
        lambda c: c.edit(
            "src/merflow/features/vision/clip.py", "def extract(", "MARK = 1\n\n\ndef extract("
        ),
        {"extract": 2, "merge": 2},
        None,
        id="the code of one extractor, which no system takes",
        marks=LONG,
    ),
    pytest.param(
        lambda c: c.set("papers.weighted_late_fusion.keep_weights", "all"),
        {"train": 4, "gather": 4} | BELOW_SCORE,
        None,
        id="keep_weights of one paper, `small` to `all`: only what has none",
        marks=LONG,
    ),
    pytest.param(
        lambda c: c.set("papers.joint_cnn.keep_weights", "none"),
        {},
        None,
        id="keep_weights of one paper, `small` to `none`: what has weights keeps them",
    ),
    pytest.param(
        lambda c: c.set("evaluation.resamples", 900),
        BELOW_SCORE,
        None,
        id="a parameter of the evaluation",
    ),
    pytest.param(
        lambda c: c.edit(
            "src/merflow/evaluation/score.py", "def score(", "MARK = 1\n\n\ndef score("
        ),
        BELOW_SCORE,
        {"score": 1},  # DVC stops where content is the same
        id="the code of the scores",
    ),
    pytest.param(
        lambda c: c.edit("src/merflow/papers/weighted_late_fusion.py", '"""', '"""Another word. '),
        {},
        {},
        id="a docstring",
    ),
    pytest.param(
        lambda c: (c.path / "src/merflow/store/files.py").touch(),
        {},
        {},
        id="a touched file of code",
    ),
    pytest.param(
        lambda c: (c.path / "data/corpora/meld/utterances.parquet").touch(),
        {},
        {},
        id="a touched artifact",
    ),
    pytest.param(
        lambda c: c.set("run.weighted_late_fusion.bert.systems", ["text_bert_16"]),
        BELOW_SCORE,
        None,
        id="a system less in run",
        marks=LONG,
    ),
    pytest.param(
        lambda c: c.set("run.papers", ["weighted_late_fusion"]),
        BELOW_SCORE,
        None,
        id="a paper less in run.papers",
    ),
    pytest.param(
        lambda c: c.set("run.corpora", ["meld"]),
        BELOW_SCORE,
        None,
        id="a corpus less in run.corpora",
        marks=LONG,
    ),
]


def jobs(counts) -> str:
    """Steps with the numbers of their jobs, in words."""
    steps = [step if ALL[step] == 1 else f"{step} {n} of {ALL[step]}" for step, n in counts.items()]
    return ", ".join(steps) or "nothing"


def test_the_page_about_reruns_has_the_tested_table():
    page = (ROOT / "docs/what-reruns.md").read_text(encoding="utf-8")
    table = []
    for case in CHANGES:
        _, by_snakemake, by_dvc = case.values
        second = "the same" if by_dvc in (None, by_snakemake) else jobs(by_dvc)
        table.append(f"| {case.id} | {jobs(by_snakemake)} | {second} |")
    assert "\n".join(table) in page, "docs/what-reruns.md should hold:\n" + "\n".join(table)


@pytest.mark.parametrize(("change", "by_snakemake", "by_dvc"), CHANGES)
def test_a_change_reruns_what_it_reaches_and_nothing_else(
    checkout, change, by_snakemake, by_dvc, tmp_path
):
    other = checkout.copy(tmp_path / "other")
    change(checkout)
    checkout.snakemake()
    assert checkout.steps() == by_snakemake
    assert checkout.clean_for_dvc()  # the run committed what it made

    change(other)
    other.repro()
    assert other.steps() == (by_snakemake if by_dvc is None else by_dvc)
    assert other.nothing_to_do()
    assert other.artifacts() == checkout.artifacts()


def test_another_number_of_shards_gives_the_same_store(checkout):
    before = checkout.artifacts()
    checkout.set("run.shards.meld", 2)
    checkout.dvc("repro")
    assert checkout.steps() == {}
    # Snakemake has no record of shards under new names, and extracts again what DVC knows is equal
    checkout.snakemake()
    assert (
        checkout.steps()
        == {"decode": 2, "assemble": 1, "extract": 6, "merge": 3, "train": 3, "gather": 3}
        | BELOW_SCORE
    )
    assert set(checkout.artifacts()) == set(before)


def test_a_missing_artifact_is_made_again_with_all_that_follows(checkout):
    (checkout.path / "results/scores/scores.json").unlink()
    checkout.snakemake()
    assert checkout.steps() == BELOW_SCORE


def test_tables_go_without_an_absent_result_if_params_allow_it(checkout):
    absent = (
        checkout.path / "results/weighted_late_fusion/text_bert_8/meld-clean/predictions.parquet"
    )
    absent.unlink()
    checkout.set("evaluation.allow_missing", True)
    checkout.snakemake("--", "results/report/index.html")
    assert checkout.steps() == BELOW_SCORE
    assert not absent.exists()
    checkout.snakemake()  # makes it, and the tables of the same run take it
    assert checkout.steps() == {"train": 1, "gather": 1} | BELOW_SCORE
    assert checkout.nothing_to_do()
    assert checkout.clean_for_dvc()


WEIGHTS = "results/joint_cnn/text_lstm/meld-clean/weights/0-1.safetensors"


@pytest.mark.nightly  # half a minute: a pull, and both tools three times
def test_weights_stay_where_they_are_once(checkout, tmp_path):
    """A result with weights has them after a later training, and in a clone."""
    checkout.set("papers.joint_cnn.keep_weights", "none")
    checkout.set("papers.joint_cnn.systems.text_lstm.network.lstm", 64)
    checkout.dvc("repro")  # it deletes a result before it trains again
    assert checkout.steps() == {"train": 2, "gather": 2} | BELOW_SCORE
    assert (checkout.path / WEIGHTS).exists()
    assert checkout.nothing_to_do()
    checkout.dvc("remote", "add", "--default", "local", str(tmp_path / "remote"))
    checkout.commit("none")
    checkout.dvc("push")
    clone = checkout.at(tmp_path / "clone")
    subprocess.run(["git", "clone", "--quiet", str(checkout.path), str(clone.path)], check=True)
    clone.dvc("pull")
    assert clone.nothing_to_do()
    assert clone.clean_for_dvc()


def test_a_paper_that_never_kept_weights_keeps_none(clean):
    clean.set("papers.joint_cnn.keep_weights", "none")
    clean.snakemake("--", "results/joint_cnn/text_lstm/meld-clean/predictions.parquet")
    assert not (clean.path / WEIGHTS).exists()
    assert clean.steps()["train"] == 1
    clean.set("papers.joint_cnn.keep_weights", "small")
    clean.snakemake("--", "results/joint_cnn/text_lstm/meld-clean/predictions.parquet")
    assert clean.steps() == {"train": 1, "gather": 1}
    assert (clean.path / WEIGHTS).exists()


def test_one_changed_learning_rate_touches_one_system(checkout):
    checkout.set(LEARNING_RATE, 3e-4)
    checkout.snakemake()
    made = {
        path.split("/")[2]
        for path in checkout.targets()
        if "weighted_late_fusion/" in path and path.startswith("results")
    }
    assert made == {"text_bert_16"}


def test_fresh_clone_with_pull_has_nothing_to_do(checkout, tmp_path):
    checkout.dvc("remote", "add", "--default", "local", str(tmp_path / "remote"))
    checkout.commit("remote")
    checkout.dvc("push")
    subprocess.run(
        ["git", "clone", "--quiet", str(checkout.path), str(tmp_path / "clone")], check=True
    )
    clone = checkout.at(tmp_path / "clone")
    clone.dvc("pull")
    # makes the folders of papers that are not run, as any start of Snakemake does
    clone.run("python", "workflow/lib/plan.py")
    assert clone.clean_for_dvc()
    assert clone.nothing_to_do()
    clone.snakemake()
    clone.dvc("repro")
    assert clone.steps() == {}
    clone.set(LEARNING_RATE, 3e-4)  # and it knows what a change means, without ever having run
    clone.snakemake()
    assert clone.steps() == ONE_SYSTEM


def test_another_branch_needs_dvc_checkout_and_no_rerun(checkout):
    checkout.run("git", "checkout", "--quiet", "-b", "faster")
    checkout.set(LEARNING_RATE, 3e-4)
    checkout.snakemake()
    checkout.commit("faster")
    faster = checkout.artifacts()
    checkout.steps()
    for branch in ("-", "faster"):
        checkout.run("git", "checkout", "--quiet", branch)
        checkout.dvc("checkout")
        assert checkout.nothing_to_do()
        assert checkout.clean_for_dvc()
    assert checkout.steps() == {}
    assert checkout.artifacts() == faster


def test_a_failed_run_resumes_and_commits_nothing_stale(checkout):
    checkout.set(LEARNING_RATE, 3e-4)
    failed = checkout.snakemake(check=False, FAKE_FAIL="score")
    assert failed.returncode != 0
    assert checkout.steps()["train"] == 2
    checkout.snakemake()
    assert checkout.steps() == BELOW_SCORE
    assert checkout.clean_for_dvc()


def test_a_failed_or_killed_step_runs_again_with_all_below(checkout):
    checkout.set("media.jpeg_quality", 90)
    done = Counter()
    for step in PICTURES:
        cause = "FAKE_MEMORY" if step in ("extract", "train") else "FAKE_FAIL"
        ended = checkout.snakemake(check=False, **{cause: step})
        assert ended.returncode != 0, step
        assert f"error in rule {step}" in ended.stderr.lower()
        run = checkout.steps()
        assert run.pop(step), step
        done += run
    checkout.snakemake()
    assert done + checkout.steps() == PICTURES
    assert checkout.nothing_to_do()
    assert checkout.clean_for_dvc()


def test_asking_for_one_artifact_commits_only_what_it_needed(checkout):
    checkout.set(LEARNING_RATE, 3e-4)
    checkout.snakemake(
        "--", "results/weighted_late_fusion/text_bert_16/meld-clean/predictions.parquet"
    )
    assert checkout.steps() == {"train": 1, "gather": 1}
    stale = checkout.dvc("status", "--json").stdout
    assert "weighted_late_fusion_bert@meld-as_published-text_bert_16" in stale
    assert "weighted_late_fusion_bert@meld-clean-text_bert_16" not in stale
    checkout.snakemake()
    assert checkout.steps() == {"train": 1, "gather": 1} | BELOW_SCORE


@pytest.mark.parametrize("tool", [("snakemake", "--cores", "1"), ("dvc", "repro")])
def test_a_typo_in_params_stops_either_tool_before_the_first_job(checkout, tool):
    checkout.edit("params.yaml", "pooling: mean", "poling: mean")
    before = checkout.artifacts()
    done = checkout.run(*tool, check=False)
    assert done.returncode != 0
    key = "papers.weighted_late_fusion.systems.text_bert_8.network.poling"
    assert f"params.yaml: {key}: unknown key; allowed here: " in done.stdout + done.stderr
    assert checkout.steps() == {}
    assert checkout.artifacts() == before


def test_a_switched_off_result_of_an_earlier_run_is_not_an_input(checkout):
    checkout.set("run.joint_cnn.text.systems", [])
    done = checkout.snakemake(check=False)
    assert done.returncode != 0
    stage, result = (
        "joint_cnn_unimodal@meld-clean-unimodal_weighted",
        "results/joint_cnn/text_lstm/meld-clean",
    )
    message = f"{stage}: takes {result}, which nothing in run (params.yaml) makes"
    assert message in done.stderr
    assert (checkout.path / result / "predictions.parquet").exists()


def test_parameters_on_the_command_line_are_refused(checkout):
    done = checkout.snakemake("--config", "training=1", check=False)
    assert done.returncode != 0
    assert "set parameters there" in done.stderr


def test_both_tools_see_the_same_graph(checkout):
    rows = checkout.snakemake("--summary", "--quiet", "all").stdout.splitlines()[1:]
    by_snakemake = {row.split("\t")[0] for row in rows if not row.startswith(("build/", "-\t"))}
    lock = yaml.safe_load((checkout.path / "dvc.lock").read_text())["stages"]
    by_dvc = {out["path"] for stage in lock.values() for out in stage["outs"]} - {"workflow/params"}
    for path in by_snakemake:
        assert by_dvc & {path, *map(str, Path(path).parents)}, path
    for path in by_dvc:
        assert any(made == path or str(Path(made).parent) == path for made in by_snakemake), path


def test_snakemake_reports_the_tables_by_paper_without_a_network(checkout):
    no_network = dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY"), "http://127.0.0.1:9")
    checkout.snakemake("--report", "report.html", **no_network)
    page = (checkout.path / "report.html").read_text()
    for paper in (
        "overall",
        "class_weight_lstm",
        "deepmsi_mer",
        "joint_cnn",
        "mel_cnn_bert",
        "weighted_late_fusion",
    ):
        assert f"results/tables/{paper}/tables.html" in page, paper
    assert "Printed numbers, our scores under each protocol" in page
    assert ">results/tables/index.json</tt>" in page
    assert "mel cnn bert" in page
