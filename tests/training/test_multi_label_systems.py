"""Step ``train`` on multi-label systems: the systems of class_weight_lstm on a small corpus."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import recall_score
from support.multi_label_corpus import (
    DENSE,
    DIMS,
    EMOTIONS,
    EPOCHS,
    FEATURES,
    FUSIONS,
    IDS,
    IDS_OF,
    LEFT_OUT,
    NETWORKS,
    PREDICTED,
    PREDICTED_BY_ALL,
    SPLIT,
    TRAINING,
    UNIMODAL,
    build,
    labels_of,
    make_job,
    predictions,
    present_in,
    results,
    trained,
    weights,
    write_labels,
    write_store,
)
from support.tiny_systems import protocol

from merflow import artifacts
from merflow.errors import CorpusError, ParamsError, StoreError
from merflow.papers.class_weight_lstm import SYSTEMS
from merflow.records import Record
from merflow.store import read_features, read_metadata, write_features
from merflow.training import loop
from merflow.training.batches import Examples
from merflow.training.gather import gather
from merflow.training.job import Job
from merflow.training.loop import predict
from merflow.training.run import train


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The corpus with its unimodal results. Not to be changed."""
    data = tmp_path_factory.mktemp("whole")
    build(data)
    return data


@pytest.fixture
def data(whole, tmp_path) -> Path:
    """Copy that a test may change."""
    return Path(shutil.copytree(whole, tmp_path / "data"))


# --- first stage


def test_emotions_from_a_probability_of_a_half_are_predicted(whole):
    folder = results(whole, "language")
    rows, labels = predictions(folder), labels_of(whole)
    assert rows["utterance_id"].tolist() == PREDICTED * 2
    assert rows["split"].tolist() == (["dev"] * 24 + ["test"] * 24) * 2
    metadata = read_metadata(folder / "predictions.parquet", artifacts.PREDICTIONS)
    assert metadata["classes"] == list(EMOTIONS)
    probabilities = np.stack(rows["probabilities"])
    assert probabilities.shape == (96, 6)
    assert [list(of_row) for of_row in rows["labels"]] == [labels[key] for key in PREDICTED * 2]
    np.testing.assert_array_equal(present_in(rows["predicted"]), probabilities >= 0.5)
    for column in ("labels", "predicted"):  # none, one and several
        assert {0, 1, 2} <= set(map(len, rows[column]))
    assert np.ptp(probabilities.sum(axis=1)) > 0.5  # they do not sum to one


def test_a_bank_learns_all_emotions(whole):
    rows = predictions(results(whole, "language"))
    labels, probabilities = present_in(rows["labels"]), np.stack(rows["probabilities"])
    recalls = [
        recall_score(labels[:, k], probabilities[:, k] >= 0.5, average="macro") for k in range(6)
    ]
    assert np.mean(recalls) > 0.75  # chance: 0.5


@pytest.mark.parametrize("seed", [1, 2])
def test_each_emotion_is_selected_and_predicted_by_its_epoch(whole, seed):
    folder = results(whole, "language")
    record = Record.read(folder)
    assert record.class_of == {name: name for name in EMOTIONS}
    assert record.left_out == {"language": ()}
    assert record.selection_metric == "uar"
    run = record.run(0, seed)
    assert [epoch.epoch for epoch in run.history] == list(range(1, EPOCHS + 1))
    scores = np.array([epoch.scores for epoch in run.history])
    losses = np.array([epoch.losses for epoch in run.history])
    assert scores.shape == losses.shape == (EPOCHS, 6)
    assert run.selected_epochs == tuple(1 + scores.argmax(axis=0))
    assert len(set(run.selected_epochs)) > 1

    rows = predictions(folder).query(f"split == 'dev' and seed == {seed}")
    labels, predicted = present_in(rows["labels"]), present_in(rows["predicted"])
    probabilities = np.stack(rows["probabilities"]).astype(float)
    train_labels, n = labels_of(whole), len(IDS_OF["train"])
    for k, (name, epoch) in enumerate(zip(EMOTIONS, run.selected_epochs, strict=True)):
        recall = recall_score(labels[:, k], predicted[:, k], average="macro")
        assert recall == pytest.approx(scores[epoch - 1, k])
        n_present = sum(name in train_labels[key] for key in IDS_OF["train"])
        # w_i = n / (k n_i)
        weight = np.where(labels[:, k], n / (2 * n_present), n / (2 * (n - n_present)))
        of_label = np.where(labels[:, k], probabilities[:, k], 1 - probabilities[:, k])
        loss = np.mean(weight * -np.log(of_label))
        assert loss == pytest.approx(losses[epoch - 1, k], rel=1e-3)


@pytest.mark.parametrize("system", UNIMODAL)
def test_hidden_activations_of_all_splits_are_gathered(whole, system):
    folder = results(whole, system)
    names = sorted(path.name for path in (folder / "hidden").iterdir())
    assert names == ["0-1.parquet", "0-2.parquet"]
    rows = predictions(folder)
    for seed in (1, 2):
        activations = read_features(folder / f"hidden/0-{seed}.parquet")
        assert list(activations) == [key for key in IDS if key not in LEFT_OUT[system]]
        values = np.stack(list(activations.values()))
        assert values.shape[1:] == (6, DENSE + 1)
        assert (values[..., :DENSE] >= 0).all()
        of_seed = rows[rows["seed"] == seed]
        assert len(of_seed) == 48 - sum(SPLIT[key] != "train" for key in LEFT_OUT[system])
        logits = np.stack([activations[key][:, DENSE] for key in of_seed["utterance_id"]])
        probabilities = torch.tensor(logits).sigmoid()
        np.testing.assert_allclose(probabilities, np.stack(of_seed["probabilities"]), atol=1e-6)


def test_gather_drops_older_hidden_activations(whole, tmp_path):
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden/0-9.parquet").touch()
    gather([whole / "runs/acoustic"], tmp_path)
    names = sorted(path.name for path in (tmp_path / "hidden").iterdir())
    assert names == ["0-1.parquet", "0-2.parquet"]
    for seed in (1, 2):
        (run,) = (whole / "runs/acoustic").glob(f"fold0-seed{seed}-*")
        gathered = tmp_path / f"hidden/0-{seed}.parquet"
        assert gathered.read_bytes() == (run / f"hidden/0-{seed}.parquet").read_bytes()


def test_class_weights_favour_the_rare_presence(whole, tmp_path):
    off = {"class_weights": False}
    weighted = trained(whole, "acoustic", tmp_path / "weighted")
    unweighted = trained(whole, "acoustic", tmp_path / "unweighted", training=off)
    assert weights(weighted) == weights(results(whole, "acoustic"))  # alone or beside another run
    assert weights(unweighted) != weights(weighted)
    rates = [
        present_in(predictions(folder)["predicted"]).mean() for folder in (unweighted, weighted)
    ]
    assert rates[0] < rates[1]


def test_early_fusion_needs_all_modalities(whole, tmp_path):
    folder = trained(whole, "early_fusion", tmp_path / "run")
    assert predictions(folder)["utterance_id"].tolist() == PREDICTED_BY_ALL
    assert Record.read(folder).left_out == LEFT_OUT
    network = load_file(folder / "weights/0-1.safetensors")
    assert network["lstm.weight_ih_l0"].shape == (6, 4 * 8, 4 + 5 + 6)
    assert not (folder / "hidden").exists()


def test_early_fusion_refuses_unaligned_modalities_by_name(data, tmp_path):
    words = read_features(data / "features/mosei/glove_aligned.parquet")
    for key in ("u03", "u80", "u10"):  # u03 lacks the visual modality anyway
        words[key] = np.concatenate([words[key], words[key][:1]])
    write_store(data, "glove_aligned", words)
    n = len(words["u10"])
    message = (
        rf"^u10: number of frames differs \(visual {n - 1}, acoustic {n - 1}, language {n}\);"
        r" .*choose aligned features$"
    )
    with pytest.raises(CorpusError, match=message):
        trained(data, "early_fusion", tmp_path / "run")
    trained(data, "language", tmp_path / "alone")  # a unimodal system does not care


# --- second stage


@pytest.mark.parametrize("name", FUSIONS)
def test_fusions_learn_from_activations_of_their_seed(whole, tmp_path, name):
    folder = trained(whole, name, tmp_path / "run", seeds=[2])
    record, rows, system = Record.read(folder), predictions(folder), SYSTEMS[name]
    assert record.left_out == LEFT_OUT
    assert record.input_labels == FEATURES
    assert len(record.run(0, 2).selected_epochs) == 6
    ids = rows["utterance_id"].tolist()
    assert ids == PREDICTED_BY_ALL
    model = system.build(dict.fromkeys(system.members, DENSE + 1), 6, **NETWORKS[name])
    model.load_state_dict(load_file(folder / "weights/0-2.safetensors"))

    def expected(seed: int) -> np.ndarray:
        inputs = {}
        for member in system.members:
            activations = read_features(results(whole, member) / f"hidden/0-{seed}.parquet")
            inputs[member] = [activations[key] for key in ids]
        examples = Examples(ids, inputs, np.zeros((len(ids), 6), "float32"))
        return predict(model.eval(), examples, torch.device("cpu")).sigmoid().numpy()

    np.testing.assert_allclose(np.stack(rows["probabilities"]), expected(2), atol=1e-6)
    assert np.abs(expected(1) - expected(2)).max() > 0.01
    assert not (folder / "hidden").exists()


def test_an_utterance_without_hidden_activations_is_refused(data, tmp_path):
    store = results(data, "visual") / "hidden/0-1.parquet"
    activations = read_features(store)
    lost = sorted(activations)[20]
    del activations[lost]
    write_features(store, activations.items(), {})
    message = rf"hidden/0-1.parquet: 1 utterances are not in the store, the first is {lost}"
    with pytest.raises(StoreError, match=message):
        trained(data, "late_fusion", tmp_path / "run", seeds=[1])


def test_a_stage_without_a_member_is_refused(data, tmp_path):
    inputs = make_job(data, "late_fusion").inputs.files
    inputs = [path for path in inputs if path.parent.parent.name != "visual"]
    message = r"^dvc.yaml: this stage has no results/<paper>/visual/<corpus>-<protocol>; add it"
    with pytest.raises(ParamsError, match=message):
        trained(data, "late_fusion", tmp_path / "run", inputs=inputs)


def test_results_of_members_that_are_absent_are_refused(data, tmp_path):
    message = r"acoustic/mosei-clean/hidden/0-3.parquet: no such file"
    with pytest.raises(StoreError, match=message) as error:
        trained(data, "late_fusion", tmp_path / "run", seeds=[3])
    assert "\n" not in str(error.value)
    (results(data, "visual") / "predictions.parquet").unlink()
    message = r"visual/mosei-clean/predictions.parquet: no such file; .*run again$"
    with pytest.raises(StoreError, match=message):
        trained(data, "late_fusion", tmp_path / "run")


def test_a_killed_second_stage_goes_on_to_the_same_bytes(whole, tmp_path, monkeypatch):
    unbroken = trained(whole, "tensor_fusion", tmp_path / "a")
    save, saved = loop._Trainer.save, []

    def killed_after_two(self, path, progress, weights):
        save(self, path, progress, weights)
        saved.append(len(progress.history))
        if len(saved) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop._Trainer, "save", killed_after_two)
    with pytest.raises(KeyboardInterrupt):
        trained(whole, "tensor_fusion", tmp_path / "b")
    assert not (tmp_path / "b").exists()
    resumed = trained(whole, "tensor_fusion", tmp_path / "b")
    assert saved == list(range(1, EPOCHS + 1))
    for name in ("predictions.parquet", "weights/0-1.safetensors"):
        assert (resumed / name).read_bytes() == (unbroken / name).read_bytes()


# --- what a network may see


def other_labels(data: Path, ids: list[str]) -> None:
    """Give `ids` each emotion that they do not have, and none that they have."""
    labels = labels_of(data)
    for key in ids:
        labels[key] = [name for name in EMOTIONS if name not in labels[key]]
    write_labels(data, labels)


SEEN = pytest.mark.parametrize(
    ("split", "select"), [("test", "dev"), ("dev", "last"), ("train", "last")]
)


@SEEN
def test_a_split_changes_a_network_only_where_it_is_seen(whole, data, tmp_path, split, select):
    """Class weights and scaling count train alone. Dev changes only what is selected on it."""
    before = trained(whole, "early_fusion", tmp_path / "before", select=select)
    ids = IDS_OF[split]
    other_labels(data, ids)
    for feature in DIMS:
        words = read_features(data / f"features/mosei/{feature}.parquet")
        words |= {key: words[key] * 50 - 7 for key in ids if key in words}
        write_store(data, feature, words)
    after = trained(data, "early_fusion", tmp_path / "after", select=select)
    assert (weights(before) == weights(after)) == (split != "train")
    if split != "train":
        old, new = (
            predictions(folder).set_index("utterance_id")["probabilities"]
            for folder in (before, after)
        )
        changed = {key for key in old.index if not np.array_equal(old[key], new[key])}
        assert changed == set(ids) - {"u60", "u90"}


@SEEN
def test_the_second_stage_sees_no_more(whole, data, tmp_path, split, select):
    before = trained(whole, "late_fusion", tmp_path / "before", select=select)
    ids = IDS_OF[split]
    other_labels(data, ids)
    for system in UNIMODAL:
        path = results(data, system) / "hidden/0-1.parquet"
        activations = read_features(path)
        activations |= {key: 5 - activations[key] for key in ids if key in activations}
        write_features(path, sorted(activations.items()), {})
    after = trained(data, "late_fusion", tmp_path / "after", select=select)
    assert (weights(before) == weights(after)) == (split != "train")


# --- the wrong corpus


def test_a_bank_is_refused_on_a_single_label_corpus(whole, tmp_path):
    meld = {"corpus": "meld", "protocol_params": protocol()}
    message = (
        r"^meld: single-label under scheme official, but language is multi-label;"
        r" .*run.class_weight_lstm$"
    )
    with pytest.raises(ParamsError, match=message):
        trained(whole, "language", tmp_path / "run", **meld)


def test_a_clipped_bank_is_refused(whole, tmp_path):
    message = r"^papers.class_weight_lstm.systems.language.training.clip: expected null, .*alone$"
    with pytest.raises(ParamsError, match=message):
        trained(whole, "language", tmp_path / "run", training={"clip": 1.0})


def test_a_fusion_is_refused_on_a_multi_label_corpus(whole, tmp_path):
    late = {"paper": "joint_cnn", "system": "late_average", "params": {}}
    message = (
        r"^mosei: multi-label under scheme official, but late_average is single-label;"
        r" .*run.joint_cnn$"
    )
    with pytest.raises(ParamsError, match=message):
        train(Job(**vars(make_job(whole, "acoustic")) | late), 0, 1, tmp_path / "run")


def test_a_network_of_all_emotions_has_one_selected_epoch(whole, tmp_path):
    network = {
        "widths": [1, 2],
        "maps": 8,
        "text_dim": 8,
        "sequence": "positions",
        "lstm": 8,
        "hidden": [8, 8],
        "dropout": 0.0,
    }
    params = {"network": network, "training": TRAINING | {"epochs": 20, "learning_rate": 0.01}}
    system = {"paper": "joint_cnn", "system": "text_lstm", "features": {"text": "glove_aligned"}}
    job = Job(**vars(make_job(whole, "language")) | system | {"params": params})
    train(job, 0, 1, tmp_path / "run")
    (folder,) = (tmp_path / "run").iterdir()
    (run,) = Record.read(folder).runs
    assert len(run.selected_epochs) == len(run.history[0].scores) == 1
    assert max(epoch.score for epoch in run.history) > 0.7  # chance: 0.5
    rows = predictions(folder)
    probabilities = np.stack(rows["probabilities"])
    np.testing.assert_array_equal(present_in(rows["predicted"]), probabilities >= 0.5)


def test_an_unknown_emotion_is_refused(data, tmp_path):
    write_labels(data, labels_of(data) | {"u07": ["happy", "calm"]})
    message = r"^u07: expected labels of happy, sad, .*, found happy, calm; prepare it again$"
    with pytest.raises(CorpusError, match=message):
        trained(data, "language", tmp_path / "run")
