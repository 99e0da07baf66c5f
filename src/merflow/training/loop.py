"""Training loop: measures a validation split after every epoch and keeps the best epoch.

The optimizer is Adam, with decoupled weight decay (AdamW) or an L2 penalty. Device, precision and
several processes (`accelerate launch`) are left to accelerate. Every epoch draws its random numbers
from (seed, epoch, process). A run that goes on after a kill therefore ends with the same bits as an
unbroken one, without a saved generator. The validation split is the test split only where a
protocol selects on it by name (select: test).
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from merflow.errors import ParamsError
from merflow.params import TrainingParams
from merflow.progress import log, track
from merflow.records import Epoch
from merflow.store import whole
from merflow.systems import Batch, TrainingOutput
from merflow.training.batches import Examples, batches, ordered, shuffled
from merflow.training.objectives import Objective
from merflow.training.schedules import schedule_of
from merflow.training.seeds import deterministic, seed_all

PREDICT_BATCH = 64  # utterances


@dataclass(frozen=True)
class Recipe:
    """Settings of a training run, besides the network and its data.

    Attributes:
        params: batch size (over all processes), learning rate and schedule, epochs, patience.
        objective: what is minimised, and how the validation split is scored. Each component is
            selected and runs out of patience alone.
        select: keep the last epoch, or the epoch with the best validation score (first of equals).
        seed: of everything random.
        precision: bf16 applies where the device computes in it, else fp32.
    """

    params: TrainingParams
    objective: Objective
    select: Literal["last", "best"]
    seed: int
    precision: Literal["fp32", "bf16"] = "fp32"


@dataclass(frozen=True)
class Fitted:
    """A trained network.

    Attributes:
        model: carries the weights of the selected epochs.
        selected_epochs: of each component, from 1.
        history: every epoch.
        device: where it was trained.
        precision: fp32 or bf16, as computed.
        wall_s: seconds of all epochs, those before a kill included.
    """

    model: nn.Module
    selected_epochs: tuple[int, ...]
    history: tuple[Epoch, ...]
    device: torch.device
    precision: Literal["fp32", "bf16"]
    wall_s: float


def fit(
    build: Callable[[], nn.Module],
    train: Examples,
    validation: Examples | None,
    recipe: Recipe,
    state_path: Path,
) -> Fitted:
    """Train a network, or go on where a killed run of the same inputs stopped.

    Args:
        build: makes the network; called after seeding.
        train: examples to learn from.
        validation: examples to measure on after each epoch; None: the last epoch is selected.
        recipe: settings.
        state_path: file of the resumable state, written whole after each epoch. Its name must
            depend on everything that decides the result. The caller deletes it.

    Raises:
        ParamsError: the loss is not finite, there are more processes than examples in a batch, or
            several processes meet whole dialogues.
        StoreError: the state cannot be written.
    """
    deterministic()
    trainer = _Trainer(build, train, recipe)
    progress = trainer.resume(state_path) if state_path.exists() else _Progress()
    start = time.monotonic() - progress.wall_s
    while progress.goes_on(recipe.params):
        epoch = len(progress.history) + 1
        train_loss, speed = trainer.train_epoch(epoch)
        losses, scores = trainer.measure(validation)
        entry = Epoch(epoch=epoch, train_loss=train_loss, losses=losses, scores=scores)
        weights = trainer.weights()
        progress.add(entry, weights, recipe, trainer.n_components)
        _report(entry, recipe, speed)
        progress.wall_s = time.monotonic() - start
        trainer.save(state_path, progress, weights)
    trainer.network.load_state_dict(progress.selected)
    return Fitted(
        trainer.network,
        tuple(progress.selected_epochs),
        tuple(progress.history),
        trainer.accelerator.device,
        "bf16" if trainer.accelerator.mixed_precision == "bf16" else "fp32",
        time.monotonic() - start,
    )


@dataclass
class _Progress:
    """State of a run between two epochs.

    Attributes:
        history: finished epochs.
        selected_epochs: of each component, so far.
        selected: weights of these epochs.
        wall_s: seconds so far.
    """

    history: list[Epoch] = field(default_factory=list)
    selected_epochs: list[int] = field(default_factory=list)
    selected: dict[str, Tensor] = field(default_factory=dict)
    wall_s: float = 0.0

    def goes_on(self, params: TrainingParams) -> bool:
        """Decide if another epoch is to be trained."""
        unfinished = len(self.history) < params.epochs
        return unfinished and bool(_patient(self.history, params.patience).any())

    def add(
        self, entry: Epoch, weights: dict[str, Tensor], recipe: Recipe, n_components: int
    ) -> None:
        """Append an epoch, and select it for each component that it is better for."""
        better = _patient(self.history, recipe.params.patience) & np.full(n_components, True)
        if entry.scores and recipe.select == "best" and self.history:
            best = np.max([epoch.scores for epoch in self.history], axis=0)
            better &= np.array(entry.scores) > best
        self.history.append(entry)
        if better.all():
            self.selected = weights
        else:
            self.selected = {
                name: _merged(value, self.selected[name], better) for name, value in weights.items()
            }
        previous = self.selected_epochs or [entry.epoch] * n_components
        self.selected_epochs = np.where(better, entry.epoch, previous).tolist()


class _Trainer:
    """A network and its optimizer on the device of this process."""

    def __init__(self, build: Callable[[], nn.Module], train: Examples, recipe: Recipe):
        mixed = "bf16" if recipe.precision == "bf16" and _computes_bf16() else "no"
        self.accelerator = Accelerator(mixed_precision=mixed)
        self.process = self.accelerator.process_index
        self.processes = self.accelerator.num_processes
        self.train, self.recipe, self.n_components = train, recipe, 1
        _refuse_processes(self.processes, train, recipe.params.batch_size)
        seed_all(recipe.seed, 0)
        self.model = self.accelerator.prepare(build())
        self.network: nn.Module = self.accelerator.unwrap_model(self.model)
        params = recipe.params
        self.optimizer = torch.optim.Adam(
            _groups(self.network, params.weight_decay),
            lr=params.learning_rate,
            decoupled_weight_decay=not params.l2,
            fused=True,
        )
        steps = params.epochs * len(shuffled(train, params.batch_size, (recipe.seed, 0)))
        self.scheduler = LambdaLR(self.optimizer, schedule_of(params, steps))

    def train_epoch(self, epoch: int) -> tuple[float, float]:
        """Train one epoch; returns the mean loss, and utterances per second.

        Raises:
            ParamsError: the loss is not finite.
        """
        seed_all(self.recipe.seed, epoch, self.process)
        positions = shuffled(self.train, self.recipe.params.batch_size, (self.recipe.seed, epoch))
        start = time.monotonic()
        self.model.train()
        totals = torch.zeros(1, device=self.accelerator.device)
        title = f"epoch {epoch} of {self.recipe.params.epochs}, batches"
        progress = track(positions, title, len(positions))
        padded = batches(self.train, positions, self.process, self.processes)
        for step, (units, batch) in enumerate(zip(progress, padded, strict=True), 1):
            losses = self._losses(batch.to(self.accelerator.device))
            loss = losses.sum()
            if not math.isfinite(loss.item()):
                self._refuse_divergence(loss.item(), epoch, f"step {step} of {len(positions)}")
            # processes average their gradients: times their number, this is the batch's mean
            n = int(self.train.sizes[units].sum())
            self.accelerator.backward(loss * self.processes / n)
            if self.recipe.params.clip is not None:
                self.accelerator.clip_grad_norm_(self.network.parameters(), self.recipe.params.clip)
            self.optimizer.step()
            self.scheduler.step()
            self.optimizer.zero_grad()
            totals = totals + losses.detach()
        self.n_components = len(totals)
        speed = len(self.train) / (time.monotonic() - start)
        return self.accelerator.reduce(totals).mean().item() / len(self.train), speed

    def _losses(self, batch: Batch) -> Tensor:
        """Loss of each component, summed over the batch."""
        output = self.model(batch)
        objective = self.recipe.objective
        if not isinstance(output, TrainingOutput):
            return objective.losses(output, batch.labels)
        logits, weight, auxiliary = output
        return weight * objective.losses(logits, batch.labels) + auxiliary * len(batch)

    def _refuse_divergence(self, loss: float, epoch: int, step: str) -> None:
        params = self.recipe.params
        raise ParamsError(
            f"training diverged: the loss is {loss} in epoch {epoch}, {step};"
            f" lower learning_rate (now {params.learning_rate:g})"
            f" or raise warmup (now {params.warmup:g})"
        )

    def measure(self, validation: Examples | None) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Losses and scores of the components on the validation split; empty without one."""
        if validation is None:
            return (), ()
        device = self.accelerator.device
        losses, scores = _measure(self.network, validation, self.recipe.objective, device)
        return tuple(losses.tolist()), tuple(scores.tolist())

    def weights(self) -> dict[str, Tensor]:
        """Copy of the network's state on the CPU."""
        state = self.network.state_dict()
        return {name: value.detach().cpu().clone() for name, value in state.items()}

    def resume(self, path: Path) -> _Progress:
        """Load the state that a killed run left."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.network.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        history = [Epoch(**epoch) for epoch in state["history"]]
        log.info("going on after epoch %d of %d", len(history), self.recipe.params.epochs)
        return _Progress(history, state["selected_epochs"], state["selected"], state["wall_s"])

    def save(self, path: Path, progress: _Progress, weights: dict[str, Tensor]) -> None:
        """Write the resumable state whole; the first process does so for all.

        Raises:
            StoreError: it cannot be written.
        """
        if not self.accelerator.is_main_process:
            return
        state = {
            "model": weights,
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "history": [epoch.model_dump() for epoch in progress.history],
            "selected_epochs": progress.selected_epochs,
            "selected": progress.selected,
            "wall_s": progress.wall_s,
        }
        with whole(path) as partial_path:
            torch.save(state, partial_path)


@torch.inference_mode()
def predict(forward: Callable[[Batch], Tensor], examples: Examples, device: torch.device) -> Tensor:
    """Compute `forward`, a network in mode eval or a component of one, for each example.

    Returns:
        (N, ...) on the CPU in float32, in the order of the examples.
    """
    padded = batches(examples, ordered(examples, PREDICT_BATCH))
    outputs = [(batch.index, forward(batch.to(device)).float().cpu()) for batch in padded]
    index, values = map(torch.cat, zip(*outputs, strict=True))
    return values[torch.argsort(index)]


def _measure(
    model: nn.Module, validation: Examples, objective: Objective, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """Loss (mean over examples) and score of each component."""
    logits = predict(model.eval(), validation, device)
    losses = objective.losses(logits, torch.as_tensor(validation.labels)).numpy()
    return losses / len(validation), objective.scores(logits, validation.labels)


def _report(entry: Epoch, recipe: Recipe, speed: float) -> None:
    figures = {"train loss": entry.train_loss}
    if entry.loss is not None and entry.score is not None:
        metric = recipe.objective.metric.replace("_", " ")
        figures |= {"validation loss": entry.loss, f"validation {metric}": entry.score}
    text = ", ".join(f"{name} {value:.4f}" for name, value in figures.items())
    log.info(
        "epoch %d of %d: %s, %.0f utterances/s", entry.epoch, recipe.params.epochs, text, speed
    )


def _refuse_processes(processes: int, train: Examples, batch_size: int) -> None:
    if processes > 1 and 2 * processes > batch_size:
        raise ParamsError(
            f"batch_size {batch_size} is too small for {processes} processes;"
            f" start {batch_size // 2} at most"
        )
    if processes > 1 and train.dialogues is not None:
        raise ParamsError(f"whole dialogues are not shared among {processes} processes; start one")


def _patient(history: list[Epoch], patience: int | None) -> np.ndarray:
    """Components (C,) whose validation loss improved within the last `patience` epochs.

    A component that ran out of patience once stays so.
    """
    if patience is None or not history:
        return np.array([True])  # of every component
    losses = np.array([epoch.losses for epoch in history])
    lowest = np.minimum.accumulate(losses)
    waited = np.zeros(losses.shape[1], dtype=int)
    patient = np.full(losses.shape[1], True)
    for loss, lowest_before in zip(losses[1:], lowest[:-1], strict=True):
        waited = np.where(loss < lowest_before, 0, waited + 1)
        patient &= waited < patience
    return patient


def _merged(new: Tensor, old: Tensor, better: np.ndarray) -> Tensor:
    """Take `new` for the components (first dimension) that got better, else `old`."""
    mask = torch.from_numpy(better).reshape(-1, *[1] * (new.ndim - 1))
    return torch.where(mask, new, old)


def _groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Parameter groups: biases and norms are not decayed, as in the Trainer of transformers."""
    trained = [
        (name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad
    ]
    # biases of banks have two dimensions, so the name decides too
    decayed = {name for name, parameter in trained if parameter.ndim > 1 and "bias" not in name}
    groups = [
        [parameter for name, parameter in trained if (name in decayed) == choice]
        for choice in (True, False)
    ]
    return [
        {"params": groups[0], "weight_decay": weight_decay},
        {"params": groups[1], "weight_decay": 0.0},
    ]


def _computes_bf16() -> bool:
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))
