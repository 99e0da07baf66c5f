"""Learning-rate schedules: factors of the learning rate by step, from 0.

They follow ``get_linear_schedule_with_warmup`` of transformers, which takes seconds to import.
"""

from collections.abc import Callable

from merflow.params import TrainingParams

Schedule = Callable[[int], float]


def constant(step: int) -> float:
    """Factor 1 at every step."""
    return 1.0


def linear(steps: int) -> Schedule:
    """Linear decay from 1 to 0 after `steps`."""
    return lambda step: max(0, steps - step) / max(1, steps)


def inverse(decay: float) -> Schedule:
    """Factor 1 / (1 + decay x step)."""
    return lambda step: 1 / (1 + decay * step)


def warmed_up(schedule: Schedule, warmup_steps: int) -> Schedule:
    """Linear rise from 0 over `warmup_steps`, then `schedule` from its step 0."""

    def factor(step: int) -> float:
        return step / warmup_steps if step < warmup_steps else schedule(step - warmup_steps)

    return factor


def schedule_of(params: TrainingParams, steps: int) -> Schedule:
    """Schedule that the parameters ask for, over `steps` in all."""
    warmup_steps = round(params.warmup * steps)
    after = {
        "constant": constant,
        "linear": linear(steps - warmup_steps),
        "inverse": inverse(params.decay),
    }
    return warmed_up(after[params.schedule], warmup_steps)
