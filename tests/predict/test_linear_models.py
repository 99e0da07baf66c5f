from pathlib import Path

import pytest

from merflow.errors import StoreError
from merflow.predict.check import check
from merflow.predict.models import Model
from merflow.systems import Linear


def test_a_linear_classifier_is_refused_in_one_line():
    model = Model(Path("results/linear_text"), None, Linear(("bert_mean",)), [])
    message = r"^results/linear_text: a linear classifier keeps no weights, .*; choose another"
    with pytest.raises(StoreError, match=message):
        check([model], {})
