"""The one training loop: Adam, with decoupled weight decay (AdamW) or an L2 penalty, measured on dev after every epoch, the best kept.

Device, precision and several processes (`accelerate launch`) are accelerate's matter. Every epoch draws its random numbers from
(seed, epoch, process), so a run that goes on after a kill ends with the same bits as an unbroken one, and no generator
is saved. The test part comes here only where a protocol selects on it by name (select: test).
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from merflow.errors import ParamsError
from merflow.params import Training
from merflow.progress import log, track
from merflow.store import whole
from merflow.systems import Batch, Learning
from merflow.training.batches import Examples, batches, ordered, shuffled
from merflow.training.objectives import Objective
from merflow.training.seeds import deterministic, seed_all

PREDICT_BATCH = 64  # utterances


@dataclass(frozen=True)
class Fitted:
    """A trained network.

    Attributes:
        model: carries the weights of `selected_epoch`.
        selected_epochs: of each task, from 1.
        history: per epoch ``epoch``, and means over tasks ``train_loss`` (all that is minimised), ``dev_loss`` (of the logits alone),
            ``dev_<score>``; ``tasks``: the latter of each.
        device: where it was trained.
        precision: fp32 or bf16, as computed.
        wall_s: seconds of all epochs, those before a kill included.
    """

    model: nn.Module
    selected_epochs: list[int]
    history: list[dict[str, Any]]
    device: torch.device
    precision: str
    wall_s: float


def fit(
    build: Callable[[], nn.Module],
    train: Examples,
    dev: Examples | None,
    settings: Training,
    objective: Objective,
    select: Literal["last", "dev"],
    seed: int,
    precision: Literal["fp32", "bf16"],
    state_path: Path,
) -> Fitted:
    """Train a network, or go on where a killed run of the same inputs stopped.

    Args:
        build: makes the network; called after seeding.
        train: examples to learn from.
        dev: examples to measure on after each epoch; None: there are none, and the last epoch is selected.
        settings: batch size (over all processes), learning rate and its schedule, weight decay, epochs, patience.
        objective: what is minimised and how dev is scored; each task is selected and runs out of patience on its own.
        select: keep the weights of the last epoch, or of the one with the best score on dev (the first best wins).
        seed: of everything random.
        precision: bf16 is used where the device computes in it, else fp32.
        state_path: file of the resumable state, written whole after each epoch; it must be named by all that decides
            the result. The caller deletes it.

    Raises:
        ParamsError: the loss is no finite number, there are more processes than examples in a batch, or several and whole dialogues.
        StoreError: the state cannot be written.
    """
    deterministic()
    accelerator = Accelerator(
        mixed_precision="bf16" if precision == "bf16" and _computes_bf16() else "no"
    )
    part, parts = accelerator.process_index, accelerator.num_processes
    if 2 * parts > settings.batch_size and parts > 1:
        raise ParamsError(
            f"batch_size {settings.batch_size} is too small for {parts} processes; start {settings.batch_size // 2} at most"
        )
    if train.dialogues is not None and parts > 1:
        raise ParamsError(f"whole dialogues are not shared among {parts} processes; start one")
    seed_all(seed, 0)
    model = accelerator.prepare(build())
    bare = accelerator.unwrap_model(model)
    groups = _groups(bare, settings.weight_decay)
    optimizer = torch.optim.Adam(
        groups, lr=settings.learning_rate, decoupled_weight_decay=not settings.l2, fused=True
    )
    steps = settings.epochs * len(shuffled(train, settings.batch_size, (seed, 0)))
    scheduler = LambdaLR(optimizer, partial(_rate, settings=settings, steps=steps))

    history: list[dict[str, Any]] = []
    selected_epochs: list[int] = []
    selected, before_s, start = {}, 0.0, time.monotonic()
    if state_path.exists():
        state = torch.load(state_path, map_location="cpu", weights_only=True)
        bare.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        scheduler.load_state_dict(state["scheduler"])
        history, selected_epochs, selected, before_s = (
            state[key] for key in ("history", "selected_epochs", "selected", "wall_s")
        )
        log.info("going on after epoch %d of %d", len(history), settings.epochs)

    while len(history) < settings.epochs and (
        not history or _patient(history, settings.patience).any()
    ):
        epoch = len(history) + 1
        seed_all(seed, epoch, part)
        positions = shuffled(train, settings.batch_size, (seed, epoch))
        began = time.monotonic()
        model.train()
        total = torch.zeros(1, device=accelerator.device)
        progress = track(positions, f"epoch {epoch} of {settings.epochs}, batches", len(positions))
        for step, (units, batch) in enumerate(
            zip(progress, batches(train, positions, part, parts), strict=True), 1
        ):
            batch = batch.to(accelerator.device)
            given = model(batch)
            logits, weight, auxiliary = given if isinstance(given, Learning) else (given, 1.0, 0.0)
            losses = weight * objective.losses(logits, batch.labels) + auxiliary * len(batch)
            loss = losses.sum()
            if not math.isfinite(loss.item()):
                raise ParamsError(
                    f"training diverged: the loss is {loss.item()} in epoch {epoch}, step {step} of {len(positions)}; lower learning_rate "
                    f"(now {settings.learning_rate:g}) or raise warmup (now {settings.warmup:g})"
                )
            # several processes average their gradients: times their number, this is the gradient of the batch's mean
            accelerator.backward(loss * parts / int(train.sizes[units].sum()))
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
            total = total + losses.detach()
        speed = len(train) / (time.monotonic() - began)

        patient = _patient(history, settings.patience) if history else np.array([True])
        scores: dict[str, list[float]] = {}
        better = patient & np.full(total.shape, True)
        if dev is not None:
            dev_losses, dev_scores = _measure(bare, dev, objective, accelerator.device)
            scores = {
                "dev_loss": dev_losses.tolist(),
                f"dev_{objective.score}": dev_scores.tolist(),
            }
            best = (
                np.max([one["tasks"][f"dev_{objective.score}"] for one in history], axis=0)
                if history
                else -np.inf
            )
            better = better & ((select == "last") | (dev_scores > best))
        train_loss = accelerator.reduce(total).mean().item() / len(train)
        means = {name: float(np.mean(values)) for name, values in scores.items()}
        history.append({"epoch": epoch, "train_loss": train_loss, **means, "tasks": scores})
        weights = {name: value.detach().cpu().clone() for name, value in bare.state_dict().items()}
        selected = (
            weights
            if better.all()
            else {name: _merged(value, selected[name], better) for name, value in weights.items()}
        )
        selected_epochs = [
            epoch if new else old
            for new, old in zip(better.tolist(), selected_epochs or better.tolist(), strict=True)
        ]
        told = ", ".join(
            f"{name.replace('_', ' ')} {value:.4f}"
            for name, value in {"train_loss": train_loss, **means}.items()
        )
        log.info("epoch %d of %d: %s, %.0f utterances/s", epoch, settings.epochs, told, speed)
        if accelerator.is_main_process:
            _save(
                state_path,
                model=weights,
                optimizer=optimizer.state_dict(),
                scheduler=scheduler.state_dict(),
                history=history,
                selected_epochs=selected_epochs,
                selected=selected,
                wall_s=before_s + time.monotonic() - start,
            )

    bare.load_state_dict(selected)
    used = "bf16" if accelerator.mixed_precision == "bf16" else "fp32"
    return Fitted(
        bare,
        selected_epochs,
        history,
        accelerator.device,
        used,
        before_s + time.monotonic() - start,
    )


@torch.inference_mode()
def predict(forward: Callable[[Batch], Tensor], examples: Examples, device: torch.device) -> Tensor:
    """What `forward`, a network in mode eval or a part of one, gives for each example: (N, ...) on the CPU in float32, in their order."""
    parts = [
        (batch.index, forward(batch.to(device)).float().cpu())
        for batch in batches(examples, ordered(examples, PREDICT_BATCH))
    ]
    index, values = map(torch.cat, zip(*parts, strict=True))
    return values[torch.argsort(index)]


def _measure(
    model: nn.Module, dev: Examples, objective: Objective, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """Loss (mean over dev) and score of each task."""
    logits = predict(model.eval(), dev, device)
    return objective.losses(logits, torch.as_tensor(dev.labels)).numpy() / len(
        dev
    ), objective.scores(logits, dev.labels)


def _patient(history: list[dict[str, Any]], patience: int | None) -> np.ndarray:
    """Tasks (tasks,) for which no `patience` epochs in a row stand that brought no dev loss below the best one before them."""
    if patience is None:
        return np.array([True])  # of every task
    losses = np.array([one["tasks"]["dev_loss"] for one in history])
    lowest = np.minimum.accumulate(losses)
    waited = np.zeros(losses.shape[1], dtype=int)
    patient = np.full(losses.shape[1], True)
    for now, before in zip(losses[1:], lowest[:-1], strict=True):
        waited = np.where(now < before, 0, waited + 1)
        patient &= waited < patience
    return patient


def _merged(new: Tensor, old: Tensor, better: np.ndarray) -> Tensor:
    """`new` for the tasks, the first dimension, that got better, `old` for the others."""
    return torch.where(torch.from_numpy(better).reshape(-1, *[1] * (new.ndim - 1)), new, old)


def _rate(step: int, settings: Training, steps: int) -> float:
    """Share of the learning rate at a step, from 0: up over the warm-up, then constant, down to 0, or down with 1 / (1 + decay x steps).

    The formula of transformers' get_linear_schedule_with_warmup, which takes seconds to import.
    """
    rise = round(settings.warmup * steps)
    if step < rise:
        return step / rise
    if settings.schedule == "linear":
        return max(0, steps - step) / max(1, steps - rise)
    return 1 / (1 + settings.decay * (step - rise))  # of a constant one the decay is 0


def _groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Biases and norms are not decayed, as in the Trainer of transformers."""
    trained = [
        (name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad
    ]
    decayed = {
        name for name, parameter in trained if parameter.ndim > 1 and "bias" not in name
    }  # those of banks have two dimensions
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


def _save(path: Path, **state: Any) -> None:
    with whole(path) as part:
        torch.save(state, part)
