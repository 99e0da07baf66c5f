"""Files of the user, as both tools see them: annotations, folders of clips and of checkpoints.

The steps are stand-ins, as in test_pipeline.py.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import save_file
from support import ROOT

from merflow import custom_corpus

ROWS = [
    "clip,text,label,speaker,dialogue,split",
    *(
        f"{k}.wav,words {k},{'joy' if k % 2 else 'anger'},{'abcd'[k // 3]},d{k // 3},"
        for k in range(12)
    ),
]


def ask_for_own_clips(root) -> None:
    """Let params.yaml ask for two systems on the corpus `mine`: of texts, and of speech."""
    path = root / "params.yaml"
    params = yaml.safe_load(path.read_text())
    patch = custom_corpus.patch_of("mine", ["text", "audio"], False, root)["run"]
    params["run"] |= {key: patch[key] for key in ("corpora", "papers")}
    params["run"]["papers"] = ["joint_cnn"]
    for group in params["run"]["features"].values():
        group["corpora"] = []
    params["run"]["features"]["bert"] = {"corpora": ["mine"], "features": ["bert"]}
    params["run"]["features"]["audio"] = {"corpora": ["mine"], "features": ["is13"]}
    for group in params["run"]["joint_cnn"].values():
        if isinstance(group, dict):
            group["corpora"] = []
    params["run"]["joint_cnn"] |= {
        "protocols": ["clean"],
        "text": {"corpora": ["mine"], "systems": ["text_lstm"]},
        "speech": {"corpora": ["mine"], "systems": ["speech_cnn"]},
    }
    params["papers"]["joint_cnn"]["features"] = {"text": "bert", "speech": "is13"}
    params["corpora"]["mine"] = {"source": "../clips", "annotations": "../mine.csv"}
    params["checkpoints"]["bert"] = {"folder": "../bert"}
    path.write_text(yaml.safe_dump(params, sort_keys=False))


@pytest.fixture(scope="module")
def built_own(tmp_path_factory, fake_checkout):
    """A checkout in a folder with the user's files beside it, after a whole run."""
    home = tmp_path_factory.mktemp("own") / "home"
    (home / "clips").mkdir(parents=True)
    for number in range(12):
        (home / f"clips/{number}.wav").write_text(f"sound {number}")
    (home / "mine.csv").write_text("\n".join(ROWS) + "\n")
    (home / "bert").mkdir()
    (home / "bert/config.json").write_text("{}")
    save_file({"weight": np.zeros(1, np.float32)}, home / "bert/model.safetensors")
    checkout = fake_checkout(home / "checkout")
    ask_for_own_clips(checkout.path)
    checkout.snakemake()
    checkout.commit("built")
    checkout.steps()
    return checkout


@pytest.fixture
def own(built_own, tmp_path):
    """Function that copies the checkout with the files beside it."""
    return lambda name: copy(built_own, tmp_path / name)


def copy(checkout, home):
    subprocess.run(["cp", "--archive", checkout.path.parent, home], check=True)
    return checkout.at(home / checkout.path.name)


def replace(path: Path, old: str, new: str) -> None:
    """Replace a file by one that looks older and is as long."""
    text = path.read_text()
    assert old in text and len(old) == len(new)
    path.unlink()
    path.write_text(text.replace(old, new, 1))
    os.utime(path, (1e9, 1e9))


def add_clip(home: Path) -> None:
    (home / "clips/new.wav").write_text("new")
    with (home / "mine.csv").open("a") as file:
        file.write("new.wav,new words,joy,a,d0,\n")


def remove_clip(home: Path) -> None:
    (home / "clips/3.wav").unlink()
    table = home / "mine.csv"
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join(line for line in lines if not line.startswith("3.wav")))


ALL = dict.fromkeys(("fetch", "prepare", "checkpoint", "decode", "assemble"), 1)
ALL |= dict.fromkeys(("extract", "merge", "train", "gather"), 2)
ALL |= dict.fromkeys(("score", "tables", "report"), 1)
OF_CLIPS = {step: count for step, count in ALL.items() if step != "checkpoint"}
SCORES = {"train": 2, "gather": 2, "score": 1, "tables": 1, "report": 1}
TEXT = {"extract": 1, "merge": 1} | SCORES
CLIPS = {"decode": 1, "assemble": 1, "extract": 1, "merge": 1}
SPEECH = {"train": 1, "gather": 1, "score": 1, "tables": 1, "report": 1}
REPORT = {"tables": 1, "report": 1}

#: Change, what both tools run, and a stage that `dvc status` names.
CHANGES = [
    pytest.param(
        lambda home: replace(home / "mine.csv", "words 3", "verbs 3"),
        {"prepare": 1} | TEXT,
        "prepare_own@mine",
        id="a text in mine.csv",
    ),
    pytest.param(
        lambda home: replace(home / "clips/3.wav", "sound", "noise"),
        {"fetch": 1, "prepare": 1} | CLIPS | SPEECH,
        "fetch_folder@mine",
        id="a clip, replaced by an older one of the same size",
        marks=pytest.mark.nightly,  # texts and clips are found by the same digests
    ),
    pytest.param(
        add_clip,
        OF_CLIPS,
        "fetch_folder@mine",
        id="a clip more, with its row",
        marks=pytest.mark.nightly,
    ),
    pytest.param(
        remove_clip,
        OF_CLIPS,
        "fetch_folder@mine",
        id="a clip less, and its row",
        marks=pytest.mark.nightly,
    ),
    pytest.param(
        lambda home: [(home / name).touch() for name in ("clips/3.wav", "mine.csv")],
        {},
        None,
        id="a touched clip, and mine.csv touched",
    ),
    pytest.param(
        lambda home: (home / "bert/config.json").write_text('{"a": 1}'),
        {"checkpoint": 1, "extract": 1, "merge": 1} | SPEECH,
        "checkpoint_folder@bert",
        id="a file in the folder of a checkpoint",
        marks=pytest.mark.nightly,
    ),
    pytest.param(
        lambda home: replace(home / "checkout/reported/joint_cnn.csv", "test", "text"),
        REPORT,
        "tables",
        id="a number in reported/",
        marks=pytest.mark.nightly,
    ),
    pytest.param(
        lambda home: (home / "checkout/reported/joint_cnn.claims.yaml").touch(),
        {},
        None,
        id="a touched file in reported/",
        marks=pytest.mark.nightly,
    ),
    pytest.param(
        lambda home: replace(
            home / "checkout/src/merflow/tables/templates/report.css.j2", "color", "COLOR"
        ),
        REPORT,
        "tables",
        id="a style of the report",
        marks=pytest.mark.nightly,
    ),
    pytest.param(
        lambda home: (home / "checkout/profiles/gpu/config.yaml").write_text("cores: 1\n"),
        {},
        None,
        id="a profile",
        marks=pytest.mark.nightly,
    ),
    pytest.param(
        lambda home: (home / "checkout/workflow/matrix.json").write_text('{"axes": {}}'),
        {},
        None,
        id="workflow/matrix.json, by hand",
        marks=pytest.mark.nightly,
    ),
]


def jobs(counts) -> str:
    """Steps with the numbers of their jobs, in words."""
    steps = [step if ALL[step] == 1 else f"{step} {n} of {ALL[step]}" for step, n in counts.items()]
    return ", ".join(steps) or "nothing"


def test_the_page_about_reruns_has_the_table_of_own_files():
    page = (ROOT / "docs/what-reruns.md").read_text(encoding="utf-8")
    table = "\n".join(f"| {case.id} | {jobs(case.values[1])} |" for case in CHANGES)
    assert table in page, f"docs/what-reruns.md should hold:\n{table}"


@pytest.mark.parametrize(("change", "by_snakemake", "stale"), CHANGES)
def test_a_change_of_users_files_is_seen_by_both(own, change, by_snakemake, stale):
    one, other = own("one"), own("other")
    change(one.path.parent)
    shown = one.dvc("status", "--json", check=stale is not None)
    assert stale in {None, *json.loads(shown.stdout or "{}")}
    one.snakemake()
    assert one.steps() == by_snakemake
    assert one.clean_for_dvc()
    assert one.nothing_to_do()

    change(other.path.parent)
    assert other.nothing_to_do() == (by_snakemake == {})
    other.repro()
    assert other.steps() == by_snakemake
    assert other.nothing_to_do()
    assert other.clean_for_dvc()
    assert other.artifacts() == one.artifacts()


def test_a_machine_without_the_users_folders_keeps_their_copies(own, tmp_path):
    checkout = own("mine")
    home = checkout.path.parent
    checkout.dvc("remote", "add", "--default", "local", str(tmp_path / "remote"))
    checkout.commit("remote")
    checkout.dvc("push")
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(home / "mine.csv", tmp_path / "elsewhere")
    subprocess.run(
        ["git", "clone", "--quiet", str(checkout.path), tmp_path / "elsewhere/checkout"], check=True
    )
    clone = checkout.at(tmp_path / "elsewhere/checkout")
    clone.dvc("pull")
    started = clone.snakemake("-n")
    assert "Nothing to be done" in started.stdout
    for line in (
        "mine: its folder is not on this machine; data/raw/mine is used as it is",
        "bert: its folder is not on this machine; data/checkpoints/bert is used as it is",
    ):
        assert line in started.stderr
    assert clone.clean_for_dvc()
    replace(tmp_path / "elsewhere/mine.csv", "words 3", "verbs 3")
    clone.snakemake()
    assert clone.steps() == {"prepare": 1} | TEXT
    assert clone.clean_for_dvc()
    # the folders come: equal ones change nothing
    for name in ("clips", "bert"):
        shutil.copytree(home / name, tmp_path / "elsewhere" / name)
    assert clone.nothing_to_do()
    assert clone.clean_for_dvc()
    assert (
        "../clips"
        in json.loads((clone.path / "workflow/matrix.json").read_text())["axes"]["origins"][
            "fetch_folder"
        ]["mine"].values()
    )


@pytest.mark.nightly
def test_files_edited_during_a_run_are_not_committed(own):
    checkout = own("mine")
    clip, table = checkout.path.parent / "clips/3.wav", checkout.path.parent / "mine.csv"
    replace(clip, "sound", "noise")
    replace(table, "words 3", "verbs 3")
    run = checkout.start("snakemake", "--cores", "2", FAKE_SLEEP="score")
    checkout.wait_for("score")
    clip.write_text("third sound")
    table.write_text(table.read_text().replace("verbs 3", "nouns 3"))
    assert run.wait() == 0
    stale = set(json.loads(checkout.dvc("status", "--json").stdout))
    assert {"fetch_folder@mine", "prepare_own@mine"} <= stale
    checkout.steps()
    checkout.snakemake()
    assert checkout.steps() == OF_CLIPS
    assert checkout.nothing_to_do()
    assert checkout.clean_for_dvc()


@pytest.mark.nightly
def test_another_number_of_folds_is_made_by_either_tool(own):
    for name, run in (("one", lambda c: c.snakemake()), ("other", lambda c: c.repro())):
        checkout = own(name)
        table = checkout.path.parent / "mine.csv"
        table.write_text(table.read_text().replace(",d,", ",c,").replace(",d\n", ",c\n"))
        run(checkout)
        assert checkout.steps() == {"prepare": 1} | TEXT
        assert checkout.nothing_to_do()
        assert checkout.clean_for_dvc()
