import json

import numpy as np
import pytest
from safetensors.numpy import load_file
from support.tiny_systems import SPEECH_SYSTEM, TEXT_SYSTEM

from merflow import artifacts
from merflow.corpora.labels import CLASSES
from merflow.errors import CheckpointError, CorpusError, ParamsError, StoreError
from merflow.features.text.tokens import Tokenizer
from merflow.papers.weighted_late_fusion import SYSTEMS
from merflow.store import read_features, read_metadata, read_table, write_features, write_table
from merflow.training import loop, network
from merflow.training.gather import gather
from merflow.training.inputs import read
from merflow.training.run import train


def interrupted(*_):
    raise KeyboardInterrupt


def test_train_writes_predictions_run_and_weights(trained, tmp_path):
    out = trained(tmp_path / "0-of-1")
    assert sorted(str(file.relative_to(out)) for file in out.rglob("*") if file.is_file()) == [
        "predictions.parquet",
        "run.json",
        "weights/0-1.safetensors",
    ]
    rows = read_table(out / "predictions.parquet", artifacts.PREDICTIONS)
    assert rows["split"].tolist() == ["dev"] * 30 + ["test"] * 30
    assert rows["utterance_id"].tolist() == [f"u{i:03}" for i in range(60, 120)]
    assert set(rows["fold"]) == {0}
    assert set(rows["seed"]) == {1}
    classes = read_metadata(out / "predictions.parquet", artifacts.PREDICTIONS)["classes"]
    assert classes == list(CLASSES["meld"])
    probabilities = np.stack(rows["probabilities"])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert [classes[i] for i in probabilities.argmax(axis=1)] == [p[0] for p in rows["predicted"]]
    assert (
        np.mean([p[0] == y[0] for p, y in zip(rows["predicted"], rows["labels"], strict=True)])
        > 0.7
    )  # chance: 0.25

    record = json.loads((out / "run.json").read_text())
    expected = {
        "paper": "weighted_late_fusion",
        "system": "text_bert_8",
        "corpus": "meld",
        "source": "demo",
        "protocol": "clean",
    }
    expected |= {
        "scheme": "official",
        "fold": 0,
        "seed": 1,
        "device": "cpu",
        "code": "c0",
        "settings": TEXT_SYSTEM,
        "weights": None,
    }
    expected |= {
        "inputs": {"tokens": "tiny"},
        "left_out": {"tokens": ["u003"]},
        "classes": {name: name for name in CLASSES["meld"]},
    }
    assert {key: record[key] for key in expected} == expected
    assert [one["epoch"] for one in record["history"]] == [1, 2, 3, 4]
    assert record["selected_epoch"] in (1, 2, 3, 4)
    weights = load_file(out / "weights" / "0-1.safetensors")
    assert weights["classifier.weight"].shape == (7, 16)


def test_context_is_what_was_said_before_in_the_dialogue_whoever_is_in_scope(prepared, checkpoint):
    mapping = {name: name for name in ("joy", "anger")}
    settings = {"tokens": {"max_tokens": 64, "context": 2}}
    material = read(
        prepared, "meld", "official", mapping, SYSTEMS["text_bert_8"], settings, {}, checkpoint, {}
    )
    table = read_table(prepared / "utterances.parquet", artifacts.UTTERANCES).set_index(
        "utterance_id"
    )
    assert sorted(material.arrays["tokens"]) == sorted(
        table.index[table["labels"].str[0].isin(mapping) & table["text"].notna()]
    )
    for key, tokens in material.arrays["tokens"].items():
        place = int(key[1:])
        before = [f"u{i:03}" for i in range(place - place % 5, place) if i != 3][
            -2:
        ]  # dialogues have five turns, u003 says nothing
        (alone, *others), _ = Tokenizer(checkpoint)(
            table.loc[[key, *reversed(before)], "text"].tolist(), 64
        )
        assert tokens[:, 0].tolist() == [
            *alone,
            *(token for other in others for token in other[1:]),
        ]
        assert tokens[:, 1].sum() == sum(len(other) - 1 for other in others)


def test_a_system_of_features_leaves_out_and_names_who_has_none(trained, tmp_path):
    out = trained(tmp_path / "0-of-1", speech=True)
    rows = read_table(out / "predictions.parquet", artifacts.PREDICTIONS)
    assert rows["utterance_id"].tolist() == [f"u{i:03}" for i in range(60, 120) if i != 100]
    record = json.loads((out / "run.json").read_text())
    assert record["inputs"] == {"speech": "is13"}
    assert record["left_out"] == {"speech": ["u005", "u100"]}
    assert (
        np.mean([p[0] == y[0] for p, y in zip(rows["predicted"], rows["labels"], strict=True)])
        > 0.4
    )  # chance: 0.25


def test_test_part_is_not_in_scope_of_fitting(trained, tmp_path, monkeypatch):
    seen = []

    def spy(build, train, dev, *rest):
        seen.extend([train.ids, dev.ids, *(value for value in rest if hasattr(value, "ids"))])
        return loop.fit(build, train, dev, *rest)

    monkeypatch.setattr(network, "fit", spy)
    trained(tmp_path / "run")
    assert seen == [[f"u{i:03}" for i in range(60) if i != 3], [f"u{i:03}" for i in range(60, 90)]]


def test_labels_and_texts_of_the_test_part_do_not_change_the_network(trained, prepared, tmp_path):
    one = trained(tmp_path / "one")
    utterances = read_table(prepared / "utterances.parquet", artifacts.UTTERANCES)
    utterances.loc[90:, "text"] = "what ?"
    utterances["labels"] = [
        ["fear"] if i >= 90 else list(labels) for i, labels in enumerate(utterances["labels"])
    ]
    write_table(
        prepared / "utterances.parquet", utterances, artifacts.UTTERANCES, {"source": "demo"}
    )
    other = trained(tmp_path / "other")
    assert (one / "weights/0-1.safetensors").read_bytes() == (
        other / "weights/0-1.safetensors"
    ).read_bytes()


@pytest.mark.parametrize("part", ["test", "dev", "train"])
def test_scaling_and_selection_see_the_train_part_only(trained, prepared, tmp_path, part):
    """Sounds of one part are made unlike any other: the network and the predictions of the rest change only if they were seen."""
    settings = SPEECH_SYSTEM | {"training": SPEECH_SYSTEM["training"] | {"epochs": 2}}
    how = {"scheme": {"meld": "official"}, "select": "last", "seeds": [1]}
    one = trained(tmp_path / "one", speech=True, settings=settings, how=how)
    path = prepared.parents[1] / "features/meld/is13.parquet"
    first, last = {"train": (0, 60), "dev": (60, 90), "test": (90, 120)}[part]
    sounds = read_features(path)
    touched = {key for key in sounds if first <= int(key[1:]) < last and int(key[1:]) % 2}
    sounds = {key: values * 50 - 7 if key in touched else values for key, values in sounds.items()}
    write_features(path, sorted(sounds.items()), read_metadata(path, artifacts.FEATURES)["spec"])
    other = trained(tmp_path / "other", speech=True, settings=settings, how=how)
    same_network = (one / "weights/0-1.safetensors").read_bytes() == (
        other / "weights/0-1.safetensors"
    ).read_bytes()
    before, after = (
        read_table(out / "predictions.parquet", artifacts.PREDICTIONS).set_index("utterance_id")
        for out in (one, other)
    )
    changed = {
        key
        for key in before.index
        if not np.array_equal(before.at[key, "probabilities"], after.at[key, "probabilities"])
    }
    if part == "train":
        assert not same_network
    else:
        assert same_network
        assert changed == touched


def test_fewer_classes_merge_labels_and_leave_others_out_of_scope(trained, tmp_path, monkeypatch):
    fewer = {"meld": {2: {"good": ("joy",), "bad": ("anger", "sadness")}}}
    monkeypatch.setattr("merflow.corpora.labels.FEWER", fewer)
    out = trained(tmp_path / "run", speech=True, n_classes=2)
    rows = read_table(out / "predictions.parquet", artifacts.PREDICTIONS)
    assert {labels[0] for labels in rows["labels"]} == {"good", "bad"}
    assert read_metadata(out / "predictions.parquet", artifacts.PREDICTIONS)["classes"] == [
        "good",
        "bad",
    ]
    assert json.loads((out / "run.json").read_text())["classes"] == {
        "joy": "good",
        "anger": "bad",
        "sadness": "bad",
    }
    assert len(rows) < 59  # neutral is out of scope
    with pytest.raises(ParamsError, match="meld: no set of 3 classes; it has 7, 2"):
        trained(tmp_path / "other", speech=True, n_classes=3)


def test_runs_are_shared_among_jobs_and_each_is_the_same_alone(job, tmp_path):
    how = {"scheme": {"meld": "official"}, "select": "dev", "seeds": [1, 2, 3]}
    settings = SPEECH_SYSTEM | {"training": SPEECH_SYSTEM["training"] | {"epochs": 2}}
    for part, parts in ((0, 2), (1, 2), (0, 1)):
        train(
            job(speech=True, how=how, settings=settings),
            part,
            parts,
            tmp_path / f"{part}-of-{parts}",
        )
    found = {
        folder.name: sorted(run.name[:11] for run in folder.iterdir())
        for folder in tmp_path.glob("*-of-*")
    }
    assert found["0-of-2"] == ["fold0-seed1", "fold0-seed3"]
    assert found["1-of-2"] == ["fold0-seed2"]
    assert found["0-of-1"] == ["fold0-seed1", "fold0-seed2", "fold0-seed3"]
    for one in tmp_path.glob("*-of-2/*/predictions.parquet"):
        assert one.read_bytes() == (tmp_path / "0-of-1" / one.parent.name / one.name).read_bytes()


def test_killed_job_leaves_no_result_and_goes_on_to_the_same_bytes(
    job, trained, tmp_path, monkeypatch
):
    unbroken = trained(tmp_path / "a")
    monkeypatch.setattr(network, "predict", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(job(), 0, 1, tmp_path / "b")
    assert not (tmp_path / "b").exists()
    (folder,) = (tmp_path / "b.unfinished").iterdir()
    assert [file.name for file in folder.iterdir()] == ["state.pt"]
    monkeypatch.undo()
    again = trained(tmp_path / "b")
    assert not (tmp_path / "b.unfinished").exists()
    for name in ("predictions.parquet", "weights/0-1.safetensors"):
        assert (again / name).read_bytes() == (unbroken / name).read_bytes()
    assert not list(again.glob("*.pt"))


def test_killed_job_does_not_repeat_the_runs_that_stand(job, tmp_path, monkeypatch):
    how = {"scheme": {"meld": "official"}, "select": "dev", "seeds": [1, 2]}
    calls = []

    def second_fails(*arguments):
        calls.append(arguments)
        return interrupted() if len(calls) == 2 else loop.fit(*arguments)

    monkeypatch.setattr(network, "fit", second_fails)
    with pytest.raises(KeyboardInterrupt):
        train(job(speech=True, how=how), 0, 1, tmp_path / "out")
    train(job(speech=True, how=how), 0, 1, tmp_path / "out")
    assert [arguments[6] for arguments in calls] == [1, 2, 2]  # seeds


@pytest.mark.parametrize("change", ["settings", "inputs"])
def test_runs_of_other_settings_or_inputs_are_not_taken_up(
    job, trained, prepared, tmp_path, monkeypatch, change
):
    monkeypatch.setattr(network, "predict", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(job(), 0, 1, tmp_path / "b")
    monkeypatch.undo()
    changes = {}
    if change == "settings":
        changes = {
            "settings": TEXT_SYSTEM
            | {"training": TEXT_SYSTEM["training"] | {"learning_rate": 0.002}}
        }
    else:
        utterances = read_table(prepared / "utterances.parquet", artifacts.UTTERANCES)
        write_table(
            prepared / "utterances.parquet",
            utterances.assign(text="what ?"),
            artifacts.UTTERANCES,
            {"source": "demo"},
        )
    alone = trained(tmp_path / "a", **changes)
    after = trained(tmp_path / "b", **changes)
    assert (after / "predictions.parquet").read_bytes() == (
        alone / "predictions.parquet"
    ).read_bytes()


def test_gather_joins_runs_and_drops_what_was_there(job, trained, tmp_path):
    for seed in (2, 1):
        trained(
            tmp_path / f"seed{seed}",
            speech=True,
            how={"scheme": {"meld": "official"}, "select": "dev", "seeds": [seed]},
        )
    out, parts = tmp_path / "results", [tmp_path / "seed2", tmp_path / "seed1"]
    (out / "weights").mkdir(parents=True)
    (out / "weights" / "0-9.safetensors").touch()
    gather(parts, out)
    kept = [
        "0-1.inputs.safetensors",
        "0-1.safetensors",
        "0-2.inputs.safetensors",
        "0-2.safetensors",
    ]
    assert sorted(file.name for file in (out / "weights").iterdir()) == kept
    rows = read_table(out / "predictions.parquet", artifacts.PREDICTIONS)
    assert rows.groupby("seed", sort=False).size().to_dict() == {1: 59, 2: 59}
    assert read_metadata(out / "predictions.parquet", artifacts.PREDICTIONS)["classes"] == list(
        CLASSES["meld"]
    )
    record = json.loads((out / "run.json").read_text())
    assert [one["seed"] for one in record["runs"]] == [1, 2]
    assert all(
        {"fold", "selected_epoch", "history", "device", "wall_s", "weights"} <= set(one)
        for one in record["runs"]
    )
    assert {
        "paper",
        "system",
        "corpus",
        "source",
        "protocol",
        "scheme",
        "inputs",
        "left_out",
        "versions",
        "settings",
    } <= set(record)
    assert "seed" not in record
    gather(parts, out)  # a repeated call finds its sources whole


def test_gather_refuses_runs_that_do_not_belong_together(trained, tmp_path):
    for code in ("c0", "c1"):
        trained(tmp_path / code, speech=True, code=code, keep_weights=False)
    assert not list((tmp_path / "c0").glob("*/weights"))
    with pytest.raises(StoreError, match=r"its code differ"):
        gather([tmp_path / "c0", tmp_path / "c1"], tmp_path / "results")
    with pytest.raises(StoreError, match=r"nowhere: no run in it"):
        gather([tmp_path / "nowhere"], tmp_path / "results")


def test_a_fusion_takes_the_results_of_its_members(job, trained, prepared, tmp_path):
    results = tmp_path / "results/joint_cnn"
    for name in (
        "text_lstm",
        "speech_cnn",
    ):  # the same network twice: what counts is where the predictions lie
        trained(tmp_path / name, speech=True)
        gather([tmp_path / name], results / name / "meld-clean")
    inputs = [prepared / "utterances.parquet", prepared / "splits.parquet"]
    inputs += [
        results / name / "meld-clean/predictions.parquet" for name in ("text_lstm", "speech_cnn")
    ]
    fusion = {
        "system": "unimodal_weighted",
        "settings": {"weights": "dev", "step": 0.25},
        "inputs": inputs,
    }
    out = trained(tmp_path / "fused", speech=True, **fusion)
    rows = read_table(out / "predictions.parquet", artifacts.PREDICTIONS)
    alone = read_table(results / "speech_cnn/meld-clean/predictions.parquet", artifacts.PREDICTIONS)
    np.testing.assert_allclose(
        np.stack(rows["probabilities"]), np.stack(alone["probabilities"]), rtol=1e-5
    )
    record = json.loads((out / "run.json").read_text())
    assert record["weights"] == {"text_lstm": 0.5, "speech_cnn": 0.5}
    assert record["left_out"] == {"speech": ["u005", "u100"]}
    assert record["selected_epoch"] is None
    with pytest.raises(
        ParamsError, match=r"this stage does not depend on the results of joint_cnn; add them"
    ):
        trained(tmp_path / "x", speech=True, **fusion | {"system": "late_average", "settings": {}})


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"system": "text_gpt"}, ParamsError, "no system 'text_gpt'; known: text_bert_8"),
        (
            {"how": {"scheme": {"meld": "pooled"}, "select": "dev", "seeds": [1]}},
            ParamsError,
            "protocols.clean.select: dev needs a dev part",
        ),
        (
            {
                "corpus": "ravdess",
                "how": {"scheme": {"ravdess": "actors"}, "select": "dev", "seeds": [1]},
            },
            CorpusError,
            r"fold 0: no utterance in train",
        ),
        (
            {"how": {"scheme": {"meld": "official"}, "select": "best", "seeds": [1]}},
            ParamsError,
            "select",
        ),
        (
            {"settings": TEXT_SYSTEM | {"training": {}}},
            ParamsError,
            "papers.weighted_late_fusion, text_bert_8, clean: training.batch_size: missing",
        ),
    ],
)
def test_what_cannot_be_is_one_line(job, tmp_path, changes, error, says):
    with pytest.raises(error, match=says) as raised:
        train(job(**changes), 0, 1, tmp_path / "run")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "run").exists()


def test_a_label_that_the_corpus_does_not_know_is_one_line(job, prepared, tmp_path):
    utterances = read_table(prepared / "utterances.parquet", artifacts.UTTERANCES)
    utterances.at[7, "labels"] = ["calm"]
    write_table(
        prepared / "utterances.parquet", utterances, artifacts.UTTERANCES, {"source": "demo"}
    )
    with pytest.raises(
        CorpusError,
        match=r"u007: expected one label of neutral, joy, .*, found calm; prepare it again",
    ):
        train(job(), 0, 1, tmp_path / "run")


def test_a_stage_that_lacks_an_input_is_one_line(job, prepared, tmp_path):
    alone = [prepared / "utterances.parquet", prepared / "splits.parquet"]
    with pytest.raises(CheckpointError, match=r"the stage of this system names no checkpoint"):
        train(job(inputs=alone), 0, 1, tmp_path / "run")
    with pytest.raises(ParamsError, match=r"no feature store for its input 'speech'"):
        train(job(speech=True, inputs=alone), 0, 1, tmp_path / "run")
    with pytest.raises(StoreError, match=r"no such file"):
        train(
            job(speech=True, inputs=[*alone, tmp_path / "data/features/meld/mel.parquet"]),
            0,
            1,
            tmp_path / "run",
        )
