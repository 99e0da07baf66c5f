import pytest

from merflow.params import TrainingParams
from merflow.training.schedules import constant, inverse, linear, schedule_of, warmed_up


def params(**changes) -> TrainingParams:
    fixed = {"batch_size": 8, "learning_rate": 0.1, "weight_decay": 0.0, "epochs": 1}
    return TrainingParams(**fixed | {"patience": None} | changes)


def test_a_linear_schedule_falls_from_one_to_zero():
    assert [linear(4)(step) for step in range(6)] == [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]


def test_an_inverse_schedule_halves_after_the_inverse_decay():
    assert [inverse(0.5)(step) for step in (0, 2, 6)] == [1.0, 0.5, 0.25]


def test_a_warm_up_rises_from_zero_and_starts_the_schedule():
    schedule = warmed_up(linear(4), 2)
    assert [schedule(step) for step in range(5)] == [0.0, 0.5, 1.0, 0.75, 0.5]


@pytest.mark.parametrize(
    ("name", "decay", "expected"),
    [
        ("constant", 0.0, [0.0, 0.5, 1.0, 1.0, 1.0]),
        ("linear", 0.0, [0.0, 0.5, 1.0, 2 / 3, 1 / 3]),
        ("inverse", 1.0, [0.0, 0.5, 1.0, 1 / 2, 1 / 3]),
    ],
)
def test_parameters_name_the_schedule_after_a_warm_up(name, decay, expected):
    schedule = schedule_of(params(schedule=name, decay=decay, warmup=0.4), 5)
    assert [schedule(step) for step in range(5)] == pytest.approx(expected)


def test_the_constant_schedule_is_one_everywhere():
    assert {constant(step) for step in range(9)} == {1.0}
