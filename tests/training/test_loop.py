import math

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score
from torch import nn

from merflow.errors import ParamsError
from merflow.params import TrainingParams
from merflow.systems import Learning
from merflow.training import loop
from merflow.training.batches import Drawn, Examples, batches, ordered, shuffled
from merflow.training.loop import fit, predict
from merflow.training.objectives import MultiLabel, SingleLabel

SETTINGS = TrainingParams(
    batch_size=8,
    learning_rate=0.02,
    weight_decay=0.01,
    epochs=4,
    schedule="linear",
    warmup=0.1,
    patience=None,
)
CPU = torch.device("cpu")


class Bag(nn.Module):
    """Mean of embeddings, with dropout, so that a generator out of step shows."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(30, 8)
        self.dropout = nn.Dropout(0.3)
        self.classifier = nn.Linear(8, 3)

    def forward(self, batch):
        states = self.embedding(batch.inputs["tokens"]) * batch.masks["tokens"][..., None]
        return self.classifier(self.dropout(states.sum(dim=1)))


def examples(n, seed):
    """Token ids of which three in four say the class (id % 3)."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    tokens = [
        np.where(rng.random(k) < 0.75, 3 * rng.integers(0, 10, k) + y, rng.integers(0, 30, k))
        for y, k in zip(labels, rng.integers(1, 9, n), strict=True)
    ]
    return Examples([f"u{seed}-{i}" for i in range(n)], {"tokens": tokens}, labels)


TRAIN, DEV, TEST = examples(203, 1), examples(60, 2), examples(60, 3)


def run(path, select="last", seed=1, settings=SETTINGS, dev=DEV):
    return fit(Bag, TRAIN, dev, settings, SingleLabel(), select, seed, "fp32", path)


def test_it_learns_and_says_how(tmp_path):
    fitted = run(tmp_path / "state.pt")
    assert [one["epoch"] for one in fitted.history] == [1, 2, 3, 4]
    losses = [one["train_loss"] for one in fitted.history]
    assert losses[-1] < 0.6 * losses[0]
    logits = predict(fitted.model.eval(), TEST, CPU)
    assert logits.shape == (60, 3)
    assert (logits.argmax(dim=1).numpy() == TEST.labels).mean() > 0.8
    assert fitted.selected_epochs == [4]


def test_dev_figures_are_those_of_the_epoch_s_weights(tmp_path):
    fitted = run(tmp_path / "state.pt")
    logits = predict(fitted.model.eval(), DEV, CPU)
    last = fitted.history[-1]
    assert last["dev_weighted_f1"] == f1_score(DEV.labels, logits.argmax(dim=1), average="weighted")
    loss = -np.mean(
        [math.log(p[y]) for p, y in zip(logits.softmax(dim=1).tolist(), DEV.labels, strict=True)]
    )
    assert last["dev_loss"] == pytest.approx(loss, rel=1e-5)


def test_selection_on_dev_takes_the_first_best_epoch_and_its_weights(tmp_path, monkeypatch):
    scores = iter([0.2, 0.5, 0.5, 0.4])
    seen = []

    def measure(model, dev, objective, device):
        seen.append(predict(model.eval(), TEST, CPU))
        return np.array([1.0]), np.array([next(scores)])

    monkeypatch.setattr(loop, "_measure", measure)
    fitted = run(tmp_path / "state.pt", select="dev")
    assert fitted.selected_epochs == [2]
    assert torch.equal(predict(fitted.model.eval(), TEST, CPU), seen[1])
    assert not torch.equal(seen[1], seen[3])


def test_training_stops_when_patience_with_the_dev_loss_ends(tmp_path, monkeypatch):
    losses = iter([1.0, 0.8, 0.9, 0.7, 0.7, 0.75, 0.9])
    monkeypatch.setattr(loop, "_measure", lambda *_: (np.array([next(losses)]), np.array([0.5])))
    patient = SETTINGS.model_copy(update={"epochs": 7, "patience": 2})
    fitted = run(tmp_path / "state.pt", settings=patient)
    assert [one["dev_loss"] for one in fitted.history] == [
        1.0,
        0.8,
        0.9,
        0.7,
        0.7,
        0.75,
    ]  # 0.7 again is not below 0.7
    assert fitted.selected_epochs == [6]
    assert (
        run(tmp_path / "state.pt", settings=patient).history == fitted.history
    )  # nor is it taken up again


def test_schedules(tmp_path, monkeypatch):
    rates = []
    step = torch.optim.Adam.step
    monkeypatch.setattr(
        torch.optim.Adam,
        "step",
        lambda self, *args: rates.append(self.param_groups[0]["lr"]) or step(self, *args),
    )
    short = SETTINGS.model_copy(update={"epochs": 1, "warmup": 0.5})
    run(tmp_path / "a.pt", settings=short)
    assert rates.index(max(rates)) == 13  # of 26 steps
    assert rates[0] == 0.0 and 0 < rates[-1] < 0.1 * max(rates)
    rates.clear()
    run(
        tmp_path / "b.pt", settings=short.model_copy(update={"schedule": "constant", "warmup": 0.0})
    )
    assert set(rates) == {0.02}
    rates.clear()
    run(
        tmp_path / "c.pt",
        settings=short.model_copy(update={"schedule": "inverse", "warmup": 0.0, "decay": 0.1}),
    )
    np.testing.assert_allclose(rates, [0.02 / (1 + 0.1 * step) for step in range(26)])


@pytest.mark.parametrize("select", ["last", "dev"])
def test_killed_run_goes_on_to_the_same_bits(tmp_path, monkeypatch, select):
    unbroken = run(tmp_path / "a.pt", select)
    measure, calls = loop._measure, []

    def killed(*args):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return measure(*args)

    monkeypatch.setattr(loop, "_measure", killed)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "b.pt", select)
    monkeypatch.setattr(loop, "_measure", measure)
    torch.rand(7)  # whatever the generators did meanwhile
    resumed = run(tmp_path / "b.pt", select)
    assert resumed.history == unbroken.history
    assert resumed.selected_epochs == unbroken.selected_epochs
    assert torch.equal(
        predict(resumed.model.eval(), TEST, CPU), predict(unbroken.model.eval(), TEST, CPU)
    )
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            resumed.model.state_dict().values(), unbroken.model.state_dict().values(), strict=True
        )
    )


def test_finished_run_is_not_trained_again(tmp_path, monkeypatch):
    first = run(tmp_path / "state.pt", "dev")
    monkeypatch.setattr(loop, "_measure", None)
    again = run(tmp_path / "state.pt", "dev")
    assert torch.equal(
        predict(first.model.eval(), TEST, CPU), predict(again.model.eval(), TEST, CPU)
    )


def test_seed_decides(tmp_path):
    one, same, other = (
        predict(run(tmp_path / f"{i}.pt", seed=seed).model.eval(), TEST, CPU)
        for i, seed in enumerate((1, 1, 2))
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_no_file_is_left_half_written(tmp_path, monkeypatch):
    run(tmp_path / "state.pt")
    before = (tmp_path / "state.pt").read_bytes()

    def full(state, part):
        part.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(Exception, match="no space left"):
        run(tmp_path / "other.pt")
    assert [file.name for file in tmp_path.iterdir()] == ["state.pt"]
    assert (tmp_path / "state.pt").read_bytes() == before


def test_divergence_is_one_line(tmp_path):
    with pytest.raises(
        ParamsError,
        match=r"diverged: the loss is (nan|inf) in epoch 1, step \d+ of 26; lower learning_rate \(now 1e\+30\)",
    ):
        run(tmp_path / "state.pt", settings=SETTINGS.model_copy(update={"learning_rate": 1e30}))


def test_biases_and_norms_are_not_decayed():
    matrices, vectors = loop._groups(nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3)), 0.01)
    assert [p.ndim for p in matrices["params"]] == [2]
    assert matrices["weight_decay"] == 0.01
    assert [p.ndim for p in vectors["params"]] == [1, 1, 1]
    assert vectors["weight_decay"] == 0.0


class Bank(nn.Module):
    """A binary network per class, each with the class as first dimension of its parameters."""

    def __init__(self):
        super().__init__()
        self.vectors = nn.Parameter(torch.zeros(3, 30))
        self.biases = nn.Parameter(torch.zeros(3))

    def forward(self, batch):
        texts = zip(batch.inputs["tokens"], batch.masks["tokens"], strict=True)
        counts = torch.stack([torch.bincount(row[mask], minlength=30) for row, mask in texts])
        return counts.float() @ self.vectors.T + self.biases


def several(part):
    """The class as one of three that may be present, and sometimes the third one too."""
    labels = np.eye(3, dtype="float32")[part.labels]
    labels[::7, 2] = 1
    return Examples(part.ids, part.inputs, labels)


def run_bank(path, **changes):
    settings = SETTINGS.model_copy(
        update={"epochs": 6, "schedule": "constant", "warmup": 0.0} | changes
    )
    train = several(TRAIN)
    return fit(
        Bank,
        train,
        several(DEV),
        settings,
        MultiLabel.of(train.labels, True),
        "dev",
        1,
        "fp32",
        path,
    )


def test_each_class_is_selected_on_its_own(tmp_path, monkeypatch):
    scores = iter([[0.1, 0.9, 0.1], [0.2, 0.1, 0.3], [0.3, 0.1, 0.2]])
    seen = []

    def measure(model, *_):
        seen.append({name: value.clone() for name, value in model.state_dict().items()})
        return np.ones(3), np.array(next(scores))

    monkeypatch.setattr(loop, "_measure", measure)
    fitted = run_bank(tmp_path / "state.pt", epochs=3)
    assert fitted.selected_epochs == [3, 1, 2]
    for name, value in fitted.model.state_dict().items():
        for k, epoch in enumerate(fitted.selected_epochs):
            assert torch.equal(value[k], seen[epoch - 1][name][k])
    assert fitted.history[0]["dev_uar"] == pytest.approx(1.1 / 3)


def test_a_class_out_of_patience_is_not_selected_again(tmp_path, monkeypatch):
    losses = iter([[1.0, 1.0, 1.0], [2.0, 0.9, 0.9], [0.5, 0.8, 0.8], [0.4, 0.9, 0.7]])
    monkeypatch.setattr(
        loop, "_measure", lambda *_: (np.array(loss := next(losses)), 1 - np.array(loss))
    )
    fitted = run_bank(tmp_path / "state.pt", epochs=4, patience=1)
    assert fitted.selected_epochs == [1, 3, 4]


def test_multi_label_training_learns_and_weights_count_the_train_part(tmp_path):
    fitted = run_bank(tmp_path / "state.pt")
    assert fitted.history[-1]["dev_uar"] > 0.8  # chance: 0.5
    labels = np.array([[1, 0], [0, 0], [0, 0], [0, 0]], dtype="float32")
    weights = MultiLabel.of(labels, class_weights=True).weights  # absent, present
    np.testing.assert_allclose(
        weights, [[4 / (2 * 3), 4 / (2 * 4)], [4 / (2 * 1), 1]], rtol=1e-6
    )  # the second is never present
    assert MultiLabel.of(labels, class_weights=False).weights.tolist() == [[1, 1], [1, 1]]


def test_multi_label_loss_and_score_on_literal_numbers():
    logits, labels = (
        torch.tensor([[0.0, 2.0], [0.0, -2.0]]),
        np.array([[1, 1], [0, 1]], dtype="float32"),
    )
    objective = MultiLabel(torch.tensor([[0.5, 1.0], [3.0, 2.0]]))
    expected = [
        3 * math.log(2) + 0.5 * math.log(2),
        2 * math.log(1 + math.exp(-2)) + 2 * (2 + math.log(1 + math.exp(-2))),
    ]
    assert objective.losses(logits, torch.tensor(labels)).tolist() == pytest.approx(expected)
    assert objective.scores(logits, labels).tolist() == [
        0.5,
        0.5,
    ]  # present never found; absent does not occur in the second


def test_one_network_of_several_labels_is_one_task_with_the_mean_loss_and_score():
    logits, labels = (
        torch.tensor([[0.0, 2.0], [0.0, -2.0]]),
        np.array([[1, 1], [0, 1]], dtype="float32"),
    )
    bank, one = (MultiLabel.of(labels, class_weights=True, bank=choice) for choice in (True, False))
    assert one.losses(logits, torch.tensor(labels)).tolist() == pytest.approx(
        [bank.losses(logits, torch.tensor(labels)).mean().item()]
    )
    assert one.scores(logits, labels).tolist() == [bank.scores(logits, labels).mean()]


def test_without_dev_the_last_epoch_is_selected_and_nothing_is_measured(tmp_path):
    fitted, with_dev = run(tmp_path / "a.pt", dev=None), run(tmp_path / "b.pt")
    assert fitted.selected_epochs == [4]
    assert [set(one) for one in fitted.history] == [{"epoch", "train_loss", "tasks"}] * 4
    assert torch.equal(
        predict(fitted.model.eval(), TEST, CPU), predict(with_dev.model.eval(), TEST, CPU)
    )  # dev changes no weight


def test_l2_penalty_is_part_of_the_gradient_and_decay_is_not(tmp_path):
    """A weight without other gradient: an L2 penalty makes a step of the learning rate, a decoupled decay one of rate x decay."""
    still = SETTINGS.model_copy(
        update={"schedule": "constant", "warmup": 0.0, "epochs": 1, "weight_decay": 0.5}
    )
    norms = [
        run(
            tmp_path / f"{l2}.pt", settings=still.model_copy(update={"l2": l2})
        ).model.embedding.weight.norm()
        for l2 in (False, True)
    ]
    assert norms[1] < 0.9 * norms[0]


class Shrinking(Bag):
    """Has a loss of its own: the mean square of its logits, with a factor."""

    def forward(self, batch):
        logits = super().forward(batch)
        return Learning(logits, 0.5, 2.0 * logits.square().mean()) if self.training else logits


def test_a_network_s_own_loss_is_minimised_with_that_of_its_logits(tmp_path):
    def first_step(kind, loss):
        torch.manual_seed(0)
        network, batch = kind(), next(batches(TRAIN, shuffled(TRAIN, 8, (1, 1))))
        given = network.train()(batch)
        return loss(
            given,
            torch.nn.functional.cross_entropy(
                given.logits if isinstance(given, tuple) else given, batch.labels
            ),
        ).item()

    plain = first_step(Bag, lambda logits, loss: 0.5 * loss + 2.0 * logits.square().mean())
    assert first_step(
        Shrinking, lambda given, loss: given.weight * loss + given.auxiliary
    ) == pytest.approx(plain)

    settings = SETTINGS.model_copy(update={"epochs": 2})
    one, other = (
        fit(kind, TRAIN, DEV, settings, SingleLabel(), "last", 1, "fp32", tmp_path / kind.__name__)
        for kind in (Bag, Shrinking)
    )
    sizes = [predict(fitted.model.eval(), DEV, CPU).square().mean() for fitted in (one, other)]
    assert sizes[1] < 0.5 * sizes[0]
    logits = predict(other.model.eval(), DEV, CPU)
    assert other.history[-1]["dev_loss"] == pytest.approx(
        SingleLabel().losses(logits, torch.as_tensor(DEV.labels)).item() / 60, rel=1e-5
    )


def test_arrays_are_drawn_when_a_batch_asks_for_them():
    asked = []

    def make(key):
        asked.append(key)
        return np.full((3, 2, 2), int(key), np.uint8)

    ids = [str(i) for i in range(10)]
    examples = Examples(ids, {"pictures": Drawn(make, ids, frames=3)}, np.zeros(10, int))
    positions = ordered(examples, 4)
    assert asked == [] and examples.lengths.tolist() == [3] * 10
    first = next(batches(examples, positions))
    assert asked == ids[:4]
    assert (
        first.inputs["pictures"].shape == (4, 3, 2, 2) and first.inputs["pictures"][2, 0, 0, 0] == 2
    )
    assert first.masks["pictures"].all()
