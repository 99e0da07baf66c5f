from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from support.tiny_systems import SPEECH_SYSTEM, TEXT_SYSTEM, protocol, with_training

from merflow import artifacts
from merflow.corpora.catalogue import CATALOGUE
from merflow.corpora.labels import CLASSES
from merflow.errors import CorpusError, ParamsError, StoreError
from merflow.features.text.tokens import Tokenizer
from merflow.papers.weighted_late_fusion import SYSTEMS
from merflow.records import Record
from merflow.store import read_features, read_metadata, read_table, write_features, write_table
from merflow.training import loop, network
from merflow.training.dataset import read
from merflow.training.gather import gather
from merflow.training.run import train

MELD = list(CLASSES["meld"])
WEIGHTS = "weights/0-1.safetensors"


def interrupted(*_):
    raise KeyboardInterrupt


def predictions(folder: Path):
    return read_table(folder / "predictions.parquet", artifacts.PREDICTIONS)


def classes_of(folder: Path) -> list[str]:
    return read_metadata(folder / "predictions.parquet", artifacts.PREDICTIONS)["classes"]


def accuracy(rows) -> float:
    pairs = zip(rows["predicted"], rows["labels"], strict=True)
    return np.mean([predicted[0] == labels[0] for predicted, labels in pairs])


def change_utterances(prepared: Path, **columns) -> None:
    utterances = read_table(prepared / "utterances.parquet", artifacts.UTTERANCES)
    changed, metadata = utterances.assign(**columns), {"source": "demo"}
    write_table(prepared / "utterances.parquet", changed, artifacts.UTTERANCES, metadata)


# --- what a run writes


def test_a_run_writes_predictions_record_and_weights(trained, tmp_path):
    folder = trained(tmp_path / "0-of-1")
    files = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    assert sorted(files) == ["predictions.parquet", "run.json", WEIGHTS]
    assert load_file(folder / WEIGHTS)["classifier.weight"].shape == (7, 16)


def test_predictions_cover_dev_and_test(trained, tmp_path):
    folder = trained(tmp_path / "0-of-1")
    rows = predictions(folder)
    assert rows["split"].tolist() == ["dev"] * 30 + ["test"] * 30
    assert rows["utterance_id"].tolist() == [f"u{i:03}" for i in range(60, 120)]
    assert set(rows["fold"]) == {0}
    assert set(rows["seed"]) == {1}
    classes, probabilities = classes_of(folder), np.stack(rows["probabilities"])
    assert classes == MELD
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    likeliest = [classes[k] for k in probabilities.argmax(axis=1)]
    assert likeliest == [predicted[0] for predicted in rows["predicted"]]
    assert accuracy(rows) > 0.7  # chance: 0.25


def test_the_record_describes_the_system_and_its_run(trained, tmp_path):
    record = Record.read(trained(tmp_path / "0-of-1"))
    expected = {
        "paper": "weighted_late_fusion",
        "system": "text_bert_8",
        "corpus": "meld",
        "protocol": "clean",
        "source": "demo",
        "scheme": "official",
        "select": "dev",
        "selection_metric": "weighted_f1",
        "params": TEXT_SYSTEM,
        "code": "c0",
        "class_of": {name: name for name in MELD},
        "input_labels": {"tokens": "tiny"},
        "left_out": {"tokens": ("u003",)},
    }
    assert {name: getattr(record, name) for name in expected} == expected
    (run,) = record.runs
    assert (run.fold, run.seed, run.device, run.precision) == (0, 1, "cpu", "fp32")
    assert [epoch.epoch for epoch in run.history] == [1, 2, 3, 4]
    scores = [epoch.score for epoch in run.history]
    assert run.selected_epochs == (1 + int(np.argmax(scores)),)
    assert run.weights is None


def test_context_is_earlier_turns_even_out_of_scope(prepared, checkpoint):
    class_of = {name: name for name in ("joy", "anger")}
    system, params = SYSTEMS["text_bert_8"], {"tokens": {"max_tokens": 64, "context": 2}}
    dataset = read(prepared, "meld", "official", class_of, system, params, {}, checkpoint, {})
    table = read_table(prepared / "utterances.parquet", artifacts.UTTERANCES)
    table = table.set_index("utterance_id")
    in_scope = table["labels"].str[0].isin(class_of) & table["text"].notna()
    assert sorted(dataset.arrays["tokens"]) == sorted(table.index[in_scope])
    for key, tokens in dataset.arrays["tokens"].items():
        place = int(key[1:])  # dialogues have five turns, u003 has no text
        earlier = [f"u{i:03}" for i in range(place - place % 5, place) if i != 3][-2:]
        texts = table.loc[[key, *reversed(earlier)], "text"].tolist()
        (text, *context), _ = Tokenizer(checkpoint)(texts, 64)
        of_context = [token for turn in context for token in turn[1:]]
        assert tokens[:, 0].tolist() == [*text, *of_context]
        assert tokens[:, 1].sum() == len(of_context)


def test_utterances_without_a_feature_are_left_out_by_name(trained, tmp_path):
    folder = trained(tmp_path / "0-of-1", speech=True)
    rows, record = predictions(folder), Record.read(folder)
    assert rows["utterance_id"].tolist() == [f"u{i:03}" for i in range(60, 120) if i != 100]
    assert record.input_labels == {"speech": "is13"}
    assert record.left_out == {"speech": ("u005", "u100")}
    assert record.missing_inputs == {"u005", "u100"}
    assert accuracy(rows) > 0.4  # chance: 0.25


def test_fewer_classes_merge_labels_and_narrow_the_scope(trained, tmp_path, monkeypatch):
    two = {2: {"good": ("joy",), "bad": ("anger", "sadness")}}
    monkeypatch.setitem(CATALOGUE, "meld", replace(CATALOGUE["meld"], class_sets=two))
    folder = trained(tmp_path / "run", speech=True, n_classes=2)
    rows = predictions(folder)
    assert {labels[0] for labels in rows["labels"]} == {"good", "bad"}
    assert classes_of(folder) == ["good", "bad"]
    class_of = {"joy": "good", "anger": "bad", "sadness": "bad"}
    assert Record.read(folder).class_of == class_of
    assert len(rows) < 59  # neutral is out of scope
    with pytest.raises(ParamsError, match="meld: no set of 3 classes; it has 7, 2"):
        trained(tmp_path / "other", speech=True, n_classes=3)


# --- what a network may see


def test_fitting_gets_the_train_and_the_dev_split_alone(trained, tmp_path, monkeypatch):
    ids = []

    def spy(build, train, validation, *rest):
        ids.extend([train.ids, validation.ids])
        assert not any(hasattr(argument, "ids") for argument in rest)
        return loop.fit(build, train, validation, *rest)

    monkeypatch.setattr(network, "fit", spy)
    trained(tmp_path / "run")
    assert ids == [[f"u{i:03}" for i in range(60) if i != 3], [f"u{i:03}" for i in range(60, 90)]]


def test_the_test_split_does_not_change_the_network(trained, prepared, tmp_path):
    before = trained(tmp_path / "before")
    utterances = read_table(prepared / "utterances.parquet", artifacts.UTTERANCES)
    texts, labels = utterances["text"].tolist(), utterances["labels"].tolist()
    change_utterances(
        prepared, text=texts[:90] + ["what ?"] * 30, labels=labels[:90] + [["fear"]] * 30
    )
    after = trained(tmp_path / "after")
    assert (before / WEIGHTS).read_bytes() == (after / WEIGHTS).read_bytes()


@pytest.mark.parametrize("split", ["test", "dev", "train"])
def test_transformers_see_the_train_split_alone(trained, prepared, tmp_path, split):
    """Features of a split change; network and other predictions change only if it was seen."""
    params, changes = with_training(SPEECH_SYSTEM, epochs=2), {"speech": True}
    changes |= {"params": params, "protocol_params": protocol(select="last")}
    before = trained(tmp_path / "before", **changes)
    path = prepared.parents[1] / "features/meld/is13.parquet"
    first, last = {"train": (0, 60), "dev": (60, 90), "test": (90, 120)}[split]
    speech = read_features(path)
    touched = {key for key in speech if first <= int(key[1:]) < last and int(key[1:]) % 2}
    speech |= {key: speech[key] * 50 - 7 for key in touched}
    specification = read_metadata(path, artifacts.FEATURES)["spec"]
    write_features(path, sorted(speech.items()), specification)
    after = trained(tmp_path / "after", **changes)

    same_network = (before / WEIGHTS).read_bytes() == (after / WEIGHTS).read_bytes()
    assert same_network == (split != "train")
    old, new = (
        predictions(folder).set_index("utterance_id")["probabilities"] for folder in (before, after)
    )
    changed = {key for key in old.index if not np.array_equal(old[key], new[key])}
    if split != "train":
        assert changed == touched


# --- jobs of several runs, and jobs that are killed


def test_runs_are_shared_among_jobs_with_the_same_result(job, tmp_path):
    params = with_training(SPEECH_SYSTEM, epochs=2)
    of_three = job(speech=True, params=params, protocol_params=protocol(seeds=(1, 2, 3)))
    for shard, shards in ((0, 2), (1, 2), (0, 1)):
        train(of_three, shard, shards, tmp_path / f"{shard}-of-{shards}")
    names = {
        folder.name: sorted(run.name[:11] for run in folder.iterdir())
        for folder in tmp_path.glob("*-of-*")
    }
    assert names["0-of-2"] == ["fold0-seed1", "fold0-seed3"]
    assert names["1-of-2"] == ["fold0-seed2"]
    assert names["0-of-1"] == ["fold0-seed1", "fold0-seed2", "fold0-seed3"]
    for path in tmp_path.glob("*-of-2/*/predictions.parquet"):
        alone = tmp_path / "0-of-1" / path.parent.name / path.name
        assert path.read_bytes() == alone.read_bytes()


def test_a_killed_job_goes_on_to_the_same_bytes(job, trained, tmp_path, monkeypatch):
    unbroken = trained(tmp_path / "a")
    monkeypatch.setattr(network, "predict", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(job(), 0, 1, tmp_path / "b")
    assert not (tmp_path / "b").exists()
    (folder,) = (tmp_path / "b.unfinished").iterdir()
    assert [path.name for path in folder.iterdir()] == ["state.pt"]
    monkeypatch.undo()
    resumed = trained(tmp_path / "b")
    assert not (tmp_path / "b.unfinished").exists()
    for name in ("predictions.parquet", WEIGHTS):
        assert (resumed / name).read_bytes() == (unbroken / name).read_bytes()
    assert not list(resumed.glob("*.pt"))


def test_a_killed_job_does_not_repeat_finished_runs(job, tmp_path, monkeypatch):
    seeds = []

    def second_fails(build, train, validation, recipe, path):
        seeds.append(recipe.seed)
        fit = interrupted if len(seeds) == 2 else loop.fit
        return fit(build, train, validation, recipe, path)

    of_two = job(speech=True, protocol_params=protocol(seeds=(1, 2)))
    monkeypatch.setattr(network, "fit", second_fails)
    with pytest.raises(KeyboardInterrupt):
        train(of_two, 0, 1, tmp_path / "out")
    train(of_two, 0, 1, tmp_path / "out")
    assert seeds == [1, 2, 2]


@pytest.mark.parametrize("change", ["params", "inputs"])
def test_runs_of_other_params_or_inputs_are_not_taken_up(
    job, trained, prepared, tmp_path, monkeypatch, change
):
    monkeypatch.setattr(network, "predict", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(job(), 0, 1, tmp_path / "b")
    monkeypatch.undo()
    changes = {}
    if change == "params":
        changes["params"] = with_training(TEXT_SYSTEM, learning_rate=0.002)
    else:
        change_utterances(prepared, text="what ?")
    alone = trained(tmp_path / "a", **changes) / "predictions.parquet"
    after = trained(tmp_path / "b", **changes) / "predictions.parquet"
    assert after.read_bytes() == alone.read_bytes()


# --- gather


def test_gather_joins_runs_and_drops_older_weights(trained, tmp_path):
    shards = [tmp_path / f"seed{seed}" for seed in (2, 1)]
    for seed, shard in zip((2, 1), shards, strict=True):
        trained(shard, speech=True, protocol_params=protocol(seeds=(seed,)))
    out = tmp_path / "results"
    (out / "weights").mkdir(parents=True)
    (out / "weights" / "0-9.safetensors").touch()
    gather(shards, out)
    names = [f"0-{seed}{kind}" for seed in (1, 2) for kind in (".inputs", "")]
    weights = (path.name.removesuffix(".safetensors") for path in (out / "weights").iterdir())
    assert sorted(weights) == sorted(names)
    assert predictions(out).groupby("seed", sort=False).size().to_dict() == {1: 59, 2: 59}
    assert classes_of(out) == MELD
    gather(shards, out)  # a second call still has its sources


def test_gather_keeps_the_record_and_lists_all_runs(trained, tmp_path):
    shards = [tmp_path / f"seed{seed}" for seed in (2, 1)]
    runs = [
        trained(shard, speech=True, protocol_params=protocol(seeds=(seed,)))
        for seed, shard in zip((2, 1), shards, strict=True)
    ]
    gather(shards, tmp_path / "results")
    second, first = (Record.read(run) for run in runs)
    expected = first.model_copy(update={"runs": first.runs + second.runs})
    assert Record.read(tmp_path / "results") == expected


def test_gather_refuses_runs_of_different_code(trained, tmp_path):
    for code in ("c0", "c1"):
        trained(tmp_path / code, speech=True, code=code, keep_weights=False)
    assert not list((tmp_path / "c0").glob("*/weights"))
    with pytest.raises(StoreError, match=r"its code differ from \S+; delete both"):
        gather([tmp_path / "c0", tmp_path / "c1"], tmp_path / "results")
    with pytest.raises(StoreError, match=r"nowhere: no run in it"):
        gather([tmp_path / "nowhere"], tmp_path / "results")


# --- fusions


@pytest.fixture
def fused(trained, prepared, tmp_path):
    """Train a fusion of text_lstm and speech_cnn, both of them the same speech network."""
    results, members = tmp_path / "results/joint_cnn", ("text_lstm", "speech_cnn")
    for name in members:
        trained(tmp_path / name, speech=True)
        gather([tmp_path / name], results / name / "meld-clean")
    inputs = [prepared / "utterances.parquet", prepared / "splits.parquet"]
    inputs += [results / name / "meld-clean/predictions.parquet" for name in members]

    def make(system: str, params: dict) -> Path:
        return trained(tmp_path / system, speech=True, system=system, params=params, inputs=inputs)

    return make


def test_a_fusion_combines_the_predictions_of_its_members(fused, tmp_path):
    folder = fused("unimodal_weighted", {"weights": "dev", "step": 0.25})
    member = predictions(tmp_path / "results/joint_cnn/speech_cnn/meld-clean")
    probabilities = np.stack(predictions(folder)["probabilities"])
    np.testing.assert_allclose(probabilities, np.stack(member["probabilities"]), rtol=1e-5)
    record = Record.read(folder)
    assert record.left_out == {"speech": ("u005", "u100")}
    assert record.selection_metric is None
    (run,) = record.runs
    assert run.weights == {"text_lstm": 0.5, "speech_cnn": 0.5}
    assert (run.selected_epochs, run.history, run.precision) == ((), (), "fp64")


def test_a_fusion_whose_stage_lacks_a_member_is_refused(fused):
    message = r"this stage has no results/<paper>/joint_cnn/<corpus>-<protocol>; add it"
    with pytest.raises(ParamsError, match=message):
        fused("late_average", {})


# --- refusals


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"system": "text_gpt"}, ParamsError, "no system 'text_gpt'; known: text_bert_8"),
        (
            {"protocol_params": protocol(scheme="pooled")},
            ParamsError,
            "protocols.clean.select: dev needs a dev split",
        ),
        (
            {"corpus": "ravdess", "protocol_params": protocol("actors", corpus="ravdess")},
            CorpusError,
            "fold 0: no utterance in train",
        ),
        ({"protocol_params": protocol(select="best")}, ParamsError, "select"),
        (
            {"params": TEXT_SYSTEM | {"training": {}}},
            ParamsError,
            "papers.weighted_late_fusion, text_bert_8, clean: training.batch_size: missing",
        ),
    ],
)
def test_impossible_parameters_are_refused_in_one_line(job, tmp_path, changes, error, message):
    with pytest.raises(error, match=message) as raised:
        train(job(**changes), 0, 1, tmp_path / "run")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "run").exists()


def test_a_label_outside_the_corpus_is_refused(job, prepared, tmp_path):
    utterances = read_table(prepared / "utterances.parquet", artifacts.UTTERANCES)
    labels = utterances["labels"].tolist()
    change_utterances(prepared, labels=[*labels[:7], ["calm"], *labels[8:]])
    message = r"u007: expected one label of neutral, joy, .*, found calm; prepare it again"
    with pytest.raises(CorpusError, match=message):
        train(job(), 0, 1, tmp_path / "run")


def test_a_stage_that_lacks_an_input_is_refused(job, prepared, tmp_path):
    inputs = [prepared / "utterances.parquet", prepared / "splits.parquet"]
    with pytest.raises(ParamsError, match=r"this stage has no data/checkpoints/<checkpoint>; add"):
        train(job(inputs=inputs), 0, 1, tmp_path / "run")
    with pytest.raises(
        ParamsError, match=r"this stage has no data/features/<corpus>/is13\.parquet"
    ):
        train(job(speech=True, inputs=inputs), 0, 1, tmp_path / "run")
    absent = tmp_path / "data/features/meld/mel.parquet"
    with pytest.raises(StoreError, match=r"no such file"):
        train(job(speech=True, inputs=[*inputs, absent]), 0, 1, tmp_path / "run")
