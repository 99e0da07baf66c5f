"""Pages that add a system, a paper, a corpus, a feature, a metric, a table: their examples work."""

from pathlib import Path

import pytest
from support.walks import Change, changes, copy_of_the_project, python

#: Page -> files that it changes at most, and Python code that uses what it adds.
PAGES = {
    "adding-a-system.md": (
        3,
        """
import numpy as np
from merflow.papers.joint_cnn import SYSTEMS
members = np.array([[[0.9, 0.1]], [[0.4, 0.6]]])
fused = SYSTEMS["late_geometric"].combine(members)
root = np.sqrt(members.prod(axis=0))
np.testing.assert_allclose(fused, root / root.sum(axis=-1, keepdims=True))
""",
    ),
    "adding-a-paper.md": (
        6,
        """
import torch
from merflow.papers.functionals_mlp import SYSTEMS
from merflow.systems import Batch
speech = torch.randn(3, 1, 10)
batch = Batch({"speech": speech}, {}, torch.zeros(3), torch.arange(3))
assert SYSTEMS["mlp"].build({"speech": 10}, 8, hidden=4)(batch).shape == (3, 8)
""",
    ),
    "adding-a-corpus.md": (
        4,
        """
from pathlib import Path
import numpy as np, pandas as pd, soundfile
from merflow.corpora.prepare import prepare
for speaker in ("ann", "bob", "cem"):
    for emotion in ("joy", "anger"):
        soundfile.write(f"{speaker}_{emotion}_1.wav", np.zeros(1600), 16000)
soundfile.write("dan_joy_1.wav", np.zeros(1600), 16000)
prepare("toy", "official", Path(), Path("prepared"), None)
defects = pd.read_csv("prepared/defects.csv")
assert "unknown speaker" in set(defects["kind"]), defects
assert "count" in " ".join(defects["kind"]), defects
""",
    ),
    "adding-a-feature.md": (
        4,
        """
from pathlib import Path
import numpy as np
from support.feature_stores import build_store, write_noise
from merflow import artifacts
from merflow.store import read_features, read_metadata
index = write_noise(Path(), {"noise": 16_000, "silent": -8_000})
store = build_store(Path(), [index], 2, "loudness", {"window": 400, "hop": 160})
arrays = read_features(store)
assert {name: len(array) for name, array in arrays.items()} == {"noise": 101, "silent": 51}
uniform = 0.2 / np.sqrt(12)  # standard deviation of uniform noise in -0.1..0.1
np.testing.assert_allclose(arrays["noise"][5:95].mean(), uniform, rtol=0.05)
metadata = read_metadata(store, artifacts.FEATURES)
assert metadata["spec"]["columns"] == ["rms"]
assert [row["kind"] for row in metadata["defects"]] == ["silence"]
""",
    ),
    "adding-a-metric.md": (
        3,
        """
import numpy as np
from sklearn.metrics import cohen_kappa_score
from merflow.evaluation.confusion import count
from merflow.evaluation.metrics import measure, names
labels, predicted = np.random.default_rng(1).integers(0, 3, (2, 50))
confusion = count(labels, predicted, 3)
place = names(("a", "b", "c")).index(("kappa", None))
np.testing.assert_allclose(measure(confusion)[place], cohen_kappa_score(labels, predicted))
""",
    ),
    "adding-a-table.md": (
        2,
        """
import inspect
from merflow.tables import compare
assert "spread.table" in inspect.getsource(compare)
""",
    ),
}
FILES = [
    (page, path)
    for page in PAGES
    for path in dict.fromkeys(change.path for change in changes(page))
]


def walked(root: Path, page: str, forgotten: str = "") -> list[Change]:
    """Apply the changes of a page to a copy of the project, but those of one file."""
    copy_of_the_project(root)
    every = changes(page)
    for change in every:
        if change.path != forgotten:
            change.apply(root)
    return every


def contracts(root: Path) -> str:
    """Output of the contract tests in a copy of the project; empty: they pass."""
    arguments = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-o", "addopts=")
    done = python(root, *arguments, "-k", "not matrix_that_dvc", "tests/test_contracts.py")
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES)
def test_a_page_adds_what_it_says_in_few_places(tmp_path, page):
    places, code = PAGES[page]
    every = walked(tmp_path, page)
    assert len({change.path for change in every}) == places
    assert contracts(tmp_path) == ""
    done = python(tmp_path, "-c", code)
    assert done.returncode == 0, done.stderr


@pytest.mark.nightly
@pytest.mark.parametrize(("page", "path"), FILES, ids=lambda value: Path(value).name)
def test_contracts_name_a_forgotten_place(tmp_path, page, path):
    walked(tmp_path, page, forgotten=path)
    output = contracts(tmp_path)
    # a module that is not there is named by an import: merflow.tables, spread
    assert path in output or f"'{Path(path).stem}'" in output
