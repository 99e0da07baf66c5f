import json

import pytest

from merflow.errors import StoreError
from merflow.records import Decoding, Epoch, Extraction, Record, Run

EPOCHS = (
    Epoch(epoch=1, train_loss=0.7, losses=(0.6, 0.8), scores=(0.5, 0.25)),
    Epoch(epoch=2, train_loss=0.1 + 0.2),
)
RUNS = (
    Run(
        fold=0,
        seed=1,
        selected_epochs=(1, 2),
        history=EPOCHS,
        device="cpu",
        precision="fp32",
        wall_s=1.5,
    ),
    Run(fold=1, seed=1, device="cpu", precision="fp64", wall_s=0.0, weights={"text": 1.0}),
)
RECORD = Record(
    paper="mult",
    system="text",
    corpus="meld",
    protocol="clean",
    source="demo",
    scheme="official",
    select="dev",
    selection_metric="uar",
    params={"training": {"patience": None}},
    code="c0",
    versions={"torch": "2.13.0"},
    class_of={"joy": "joy"},
    input_labels={"tokens": "bert"},
    extraction={
        "speech": Extraction(feature="mel", params={"fmax": None}, code="c1", versions={}),
        "frames_15": Decoding(params={"short_side": 64}, code="c2", versions={"av": "18"}),
    },
    left_out={"tokens": ("u2", "u3"), "speech": ("u2",)},
    runs=RUNS,
)


def change(folder, **changes):
    path = folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_record_is_read_as_it_was_written(tmp_path):
    RECORD.write(tmp_path)
    assert Record.read(tmp_path) == RECORD
    stored = json.loads((tmp_path / "run.json").read_text())
    assert stored["version"] == 1
    assert stored["params"] == {"training": {"patience": None}}  # null of params.yaml stays
    assert "clip_s" not in stored["runs"][0]
    assert stored["extraction"]["speech"] == {  # as in the metadata of the store
        "feature": "mel",
        "params": {"fmax": None},
        "code": "c1",
        "versions": {},
    }


def test_a_record_names_its_folder_runs_and_missing_inputs():
    assert RECORD.name == "results/mult/text/meld-clean"
    assert RECORD.run(1, 1) is RUNS[1]
    assert RECORD.missing_inputs == {"u2", "u3"}
    assert RECORD.validation == "dev"
    assert RECORD.model_copy(update={"select": "test"}).validation == "test"


def test_loss_and_score_are_means_over_components():
    assert EPOCHS[0].loss == pytest.approx(0.7)
    assert EPOCHS[0].score == pytest.approx(0.375)
    assert EPOCHS[1].loss is None and EPOCHS[1].score is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 0}, r"run.json: version: input should be 1; delete .* \(format 1 expected\)$"),
        (
            {"settings": {}},
            r"run.json: settings: extra inputs are not permitted; delete .*\(format 1 expected\)$",
        ),
        (
            {"runs": [{"fold": 0}]},
            r"run.json: runs.0.seed: field required; delete .*\(format 1 expected\)$",
        ),
        ({"runs": []}, r"run.json: names no run; delete \S+ and train again$"),
    ],
)
def test_a_record_of_another_format_is_refused(tmp_path, changes, message):
    RECORD.write(tmp_path)
    change(tmp_path, **changes)
    with pytest.raises(StoreError, match=message) as error:
        Record.read(tmp_path)
    assert "\n" not in str(error.value)


def test_an_absent_or_broken_record_is_refused(tmp_path):
    with pytest.raises(StoreError, match=r"run.json: cannot be read: no such file"):
        Record.read(tmp_path)
    (tmp_path / "run.json").write_text("half")
    with pytest.raises(
        StoreError, match=r"run.json: content: invalid json.*\(format 1 expected\)$"
    ):
        Record.read(tmp_path)
