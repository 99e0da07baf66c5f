import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score
from torch import nn
from torch.nn.functional import cross_entropy

from merflow.errors import ParamsError
from merflow.params import TrainingParams
from merflow.records import Epoch
from merflow.systems import TrainingOutput
from merflow.training import loop
from merflow.training.batches import Examples, LazyArrays, batches, ordered, shuffled
from merflow.training.loop import Fitted, Recipe, fit, predict
from merflow.training.objectives import MultiLabelObjective, SingleLabelObjective

PARAMS = TrainingParams(
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
    """Examples of token ids, three in four of which name the class (id % 3)."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    tokens = [
        np.where(rng.random(k) < 0.75, 3 * rng.integers(0, 10, k) + y, rng.integers(0, 30, k))
        for y, k in zip(labels, rng.integers(1, 9, n), strict=True)
    ]
    return Examples([f"u{seed}-{i}" for i in range(n)], {"tokens": tokens}, labels)


TRAIN, DEV, TEST = examples(203, 1), examples(60, 2), examples(60, 3)


def trained(path, select="last", seed=1, validation=DEV, build=Bag, **changes) -> Fitted:
    params = PARAMS.model_copy(update=changes)
    recipe = Recipe(params, SingleLabelObjective(), select, seed)
    return fit(build, TRAIN, validation, recipe, path)


def logits_of(fitted, split=TEST):
    return predict(fitted.model.eval(), split, CPU)


def test_training_lowers_the_loss_and_learns_the_classes(tmp_path):
    fitted = trained(tmp_path / "state.pt")
    assert [epoch.epoch for epoch in fitted.history] == [1, 2, 3, 4]
    losses = [epoch.train_loss for epoch in fitted.history]
    assert losses[-1] < 0.6 * losses[0]
    logits = logits_of(fitted)
    assert logits.shape == (60, 3)
    assert (logits.argmax(dim=1).numpy() == TEST.labels).mean() > 0.8
    assert fitted.selected_epochs == (4,)
    assert (fitted.device, fitted.precision) == (CPU, "fp32")


def test_loss_and_score_belong_to_the_epochs_weights(tmp_path):
    fitted = trained(tmp_path / "state.pt")
    logits, last = logits_of(fitted, DEV), fitted.history[-1]
    predicted = logits.argmax(dim=1)
    assert last.scores == (f1_score(DEV.labels, predicted, average="weighted"),)
    loss = cross_entropy(logits, torch.as_tensor(DEV.labels)).item()
    assert last.losses == pytest.approx((loss,), rel=1e-5)


def test_the_first_best_epoch_and_its_weights_are_selected(tmp_path, monkeypatch):
    scores, logits = iter([0.2, 0.5, 0.5, 0.4]), []

    def measure(model, validation, objective, device):
        logits.append(predict(model.eval(), TEST, CPU))
        return np.array([1.0]), np.array([next(scores)])

    monkeypatch.setattr(loop, "_measure", measure)
    fitted = trained(tmp_path / "state.pt", select="best")
    assert fitted.selected_epochs == (2,)
    assert torch.equal(logits_of(fitted), logits[1])
    assert not torch.equal(logits[1], logits[3])


def test_training_stops_when_patience_runs_out(tmp_path, monkeypatch):
    losses = [1.0, 0.8, 0.9, 0.7, 0.7, 0.75]  # the second 0.7 is no improvement
    remaining = iter([*losses, 0.9])
    monkeypatch.setattr(loop, "_measure", lambda *_: (np.array([next(remaining)]), np.array([0.5])))
    fitted = trained(tmp_path / "state.pt", epochs=7, patience=2)
    assert [epoch.loss for epoch in fitted.history] == losses
    assert fitted.selected_epochs == (6,)
    again = trained(tmp_path / "state.pt", epochs=7, patience=2)
    assert again.history == fitted.history


def test_learning_rates_follow_the_schedule(tmp_path, monkeypatch):
    rates, step = [], torch.optim.Adam.step

    def noted(self, *args):
        rates.append(self.param_groups[0]["lr"])
        return step(self, *args)

    monkeypatch.setattr(torch.optim.Adam, "step", noted)
    trained(tmp_path / "a.pt", epochs=1, warmup=0.5)
    assert rates.index(max(rates)) == 13  # of 26 steps
    assert rates[0] == 0.0 and 0 < rates[-1] < 0.1 * max(rates)
    rates.clear()
    trained(tmp_path / "b.pt", epochs=1, schedule="constant", warmup=0.0)
    assert set(rates) == {0.02}
    rates.clear()
    trained(tmp_path / "c.pt", epochs=1, schedule="inverse", warmup=0.0, decay=0.1)
    np.testing.assert_allclose(rates, [0.02 / (1 + 0.1 * step) for step in range(26)])


def gradient_norms(monkeypatch):
    """Norms of the gradients that Adam is given, in the order of steps."""
    norms, step = [], torch.optim.Adam.step

    def noted(self, *args):
        gradients = [p.grad for group in self.param_groups for p in group["params"]]
        norms.append(torch.linalg.vector_norm(torch.cat([g.flatten() for g in gradients])).item())
        return step(self, *args)

    monkeypatch.setattr(torch.optim.Adam, "step", noted)
    return norms


def test_clip_bounds_the_gradient_of_every_step(tmp_path, monkeypatch):
    norms = gradient_norms(monkeypatch)
    trained(tmp_path / "free.pt", epochs=1)
    free = norms.copy()
    clip = float(np.median(free))
    norms.clear()
    trained(tmp_path / "clipped.pt", epochs=1, clip=clip)
    assert max(norms) <= clip * (1 + 1e-5) < max(free)
    assert norms[0] == pytest.approx(min(free[0], clip), rel=1e-5)


def test_clip_changes_nothing_where_gradients_are_shorter(tmp_path, monkeypatch):
    norms = gradient_norms(monkeypatch)
    free = trained(tmp_path / "free.pt", epochs=2)
    clipped = trained(tmp_path / "clipped.pt", epochs=2, clip=2 * max(norms))
    assert torch.equal(logits_of(free), logits_of(clipped))


@pytest.mark.parametrize("select", ["last", "best"])
def test_killed_run_goes_on_to_the_same_bits(tmp_path, monkeypatch, select):
    unbroken = trained(tmp_path / "a.pt", select)
    measure, calls = loop._measure, []

    def killed(*args):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return measure(*args)

    monkeypatch.setattr(loop, "_measure", killed)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "b.pt", select)
    monkeypatch.setattr(loop, "_measure", measure)
    torch.rand(7)  # whatever the generators did meanwhile
    resumed = trained(tmp_path / "b.pt", select)
    assert resumed.history == unbroken.history
    assert resumed.selected_epochs == unbroken.selected_epochs
    assert torch.equal(logits_of(resumed), logits_of(unbroken))
    expected = unbroken.model.state_dict()
    for name, value in resumed.model.state_dict().items():
        assert torch.equal(value, expected[name])


def test_finished_run_is_not_trained_again(tmp_path, monkeypatch):
    first = trained(tmp_path / "state.pt", "best")
    monkeypatch.setattr(loop, "_measure", None)
    again = trained(tmp_path / "state.pt", "best")
    assert torch.equal(logits_of(first), logits_of(again))


def test_the_seed_decides_the_result(tmp_path):
    first, same, other = (
        logits_of(trained(tmp_path / f"{i}.pt", seed=seed)) for i, seed in enumerate((1, 1, 2))
    )
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_no_file_is_left_half_written(tmp_path, monkeypatch):
    trained(tmp_path / "state.pt")
    before = (tmp_path / "state.pt").read_bytes()

    def full(state, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(Exception, match="no space left"):
        trained(tmp_path / "other.pt")
    assert [file.name for file in tmp_path.iterdir()] == ["state.pt"]
    assert (tmp_path / "state.pt").read_bytes() == before


def test_divergence_is_reported_in_one_line(tmp_path):
    message = (
        r"diverged: the loss is (nan|inf) in epoch 1, step \d+ of 26;"
        r" lower learning_rate \(now 1e\+30\)"
    )
    with pytest.raises(ParamsError, match=message):
        trained(tmp_path / "state.pt", learning_rate=1e30)


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


def multi_label(split):
    """The class as one of three labels, and sometimes the third label too."""
    labels = np.eye(3, dtype="float32")[split.labels]
    labels[::7, 2] = 1
    return Examples(split.ids, split.inputs, labels)


def trained_bank(path, epochs=6, patience=None) -> Fitted:
    changes = {"epochs": epochs, "patience": patience, "schedule": "constant", "warmup": 0.0}
    train = multi_label(TRAIN)
    objective = MultiLabelObjective.of(train.labels, class_weights=True)
    recipe = Recipe(PARAMS.model_copy(update=changes), objective, "best", seed=1)
    return fit(Bank, train, multi_label(DEV), recipe, path)


def test_each_class_of_a_bank_is_selected_alone(tmp_path, monkeypatch):
    scores = iter([[0.1, 0.9, 0.1], [0.2, 0.1, 0.3], [0.3, 0.1, 0.2]])
    states = []

    def measure(model, *_):
        states.append({name: value.clone() for name, value in model.state_dict().items()})
        return np.ones(3), np.array(next(scores))

    monkeypatch.setattr(loop, "_measure", measure)
    fitted = trained_bank(tmp_path / "state.pt", epochs=3)
    assert fitted.selected_epochs == (3, 1, 2)
    for name, value in fitted.model.state_dict().items():
        for k, epoch in enumerate(fitted.selected_epochs):
            assert torch.equal(value[k], states[epoch - 1][name][k])
    assert fitted.history[0].scores == (0.1, 0.9, 0.1)
    assert fitted.history[0].score == pytest.approx(1.1 / 3)


def test_a_class_out_of_patience_is_not_selected_again(tmp_path, monkeypatch):
    losses = iter([[1.0, 1.0, 1.0], [2.0, 0.9, 0.9], [0.5, 0.8, 0.8], [0.4, 0.9, 0.7]])

    def measure(*_):
        loss = np.array(next(losses))
        return loss, 1 - loss

    monkeypatch.setattr(loop, "_measure", measure)
    fitted = trained_bank(tmp_path / "state.pt", epochs=4, patience=1)
    assert fitted.selected_epochs == (1, 3, 4)


def test_a_bank_learns_and_its_history_is_per_class(tmp_path):
    fitted = trained_bank(tmp_path / "state.pt")
    assert all(len(epoch.losses) == len(epoch.scores) == 3 for epoch in fitted.history)
    assert fitted.history[-1].score > 0.8  # chance: 0.5


def test_without_a_validation_split_the_last_epoch_is_selected(tmp_path):
    fitted = trained(tmp_path / "a.pt", validation=None)
    assert fitted.selected_epochs == (4,)
    expected = [Epoch(epoch=n.epoch, train_loss=n.train_loss) for n in fitted.history]
    assert list(fitted.history) == expected  # nothing is measured
    with_dev = trained(tmp_path / "b.pt")
    assert torch.equal(logits_of(fitted), logits_of(with_dev))  # measuring changes no weight


def test_an_l2_penalty_shrinks_weights_more_than_decay(tmp_path):
    """An L2 penalty on a weight without other gradient steps by the learning rate.

    A decoupled decay steps by learning rate x decay.
    """
    still = {"schedule": "constant", "warmup": 0.0, "epochs": 1, "weight_decay": 0.5}
    decay, penalty = (
        trained(tmp_path / f"{l2}.pt", l2=l2, **still).model.embedding.weight.norm()
        for l2 in (False, True)
    )
    assert penalty < 0.9 * decay


class Shrinking(Bag):
    """Network with a loss term of its own: the mean square of its logits."""

    def forward(self, batch):
        logits = super().forward(batch)
        if not self.training:
            return logits
        return TrainingOutput(logits, 0.5, 2.0 * logits.square().mean())


def test_a_networks_own_loss_term_is_minimised_too(tmp_path):
    plain = trained(tmp_path / "plain.pt", epochs=2)
    shrinking = trained(tmp_path / "shrinking.pt", epochs=2, build=Shrinking)
    sizes = [logits_of(fitted, DEV).square().mean() for fitted in (plain, shrinking)]
    assert sizes[1] < 0.5 * sizes[0]
    loss = cross_entropy(logits_of(shrinking, DEV), torch.as_tensor(DEV.labels)).item()
    assert shrinking.history[-1].loss == pytest.approx(loss, rel=1e-5)  # of the logits alone


def test_the_own_loss_term_is_added_to_the_weighted_loss():
    trainer = loop._Trainer(Shrinking, TRAIN, Recipe(PARAMS, SingleLabelObjective(), "last", 1))
    batch = next(batches(TRAIN, shuffled(TRAIN, 8, (1, 1))))
    torch.manual_seed(0)
    (loss,) = trainer._losses(batch)
    torch.manual_seed(0)
    logits = trainer.network(batch).logits
    mean = 0.5 * cross_entropy(logits, batch.labels) + 2.0 * logits.square().mean()
    assert loss.item() == pytest.approx(len(batch) * mean.item(), rel=1e-5)


def test_lazy_arrays_are_made_when_a_batch_needs_them():
    made = []

    def make(key):
        made.append(key)
        return np.full((3, 2, 2), int(key), np.uint8)

    ids = [str(i) for i in range(10)]
    split = Examples(ids, {"frames": LazyArrays(make, ids, n_frames=3)}, np.zeros(10, int))
    positions = ordered(split, 4)
    assert made == [] and split.lengths.tolist() == [3] * 10
    first = next(batches(split, positions))
    assert made == ids[:4]
    assert first.inputs["frames"].shape == (4, 3, 2, 2)
    assert first.inputs["frames"][2, 0, 0, 0] == 2
    assert first.masks["frames"].all()
