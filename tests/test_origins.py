"""Origins of corpora and checkpoints: which stage takes them, and which files of the user."""

from pathlib import Path

from merflow.origins import ABSENT, origins

OFFICIAL = {"source": "official", "annotations": None}


def folders(root: Path, source: str, checkpoint: str | None = None) -> dict:
    params = {
        "corpora": {"meld": OFFICIAL, "mine": {"source": source, "annotations": "~/mine.csv"}},
        "checkpoints": {"bert": {"folder": checkpoint, "hub": None if checkpoint else "a/b"}},
    }
    return origins(params, ["meld", "mine"], ["bert"], root)


def test_released_files_and_the_users_have_stages_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "clips").mkdir()
    items = folders(tmp_path, "./clips/")
    assert items["fetch"] == items["prepare"] == {"meld": {"corpus": "meld"}}
    assert items["fetch_folder"] == {"mine": {"corpus": "mine", "folder": "clips"}}
    table = str(tmp_path / "mine.csv")
    assert items["prepare_own"] == {"mine": {"corpus": "mine", "annotations": table}}
    assert items["checkpoint"] == {"bert": {"checkpoint": "bert"}}
    assert items["checkpoint_folder"] == {}


def test_a_folder_is_named_from_the_home_or_the_checkout(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "clips").mkdir()
    for folder in ("bert", "checkout"):
        (tmp_path / folder).mkdir()
    items = folders(tmp_path / "checkout", "~/clips", "../bert")
    assert items["fetch_folder"]["mine"]["folder"] == str(tmp_path / "clips")
    assert items["checkpoint_folder"] == {"bert": {"checkpoint": "bert", "folder": "../bert"}}


def test_an_absent_folder_or_one_with_its_copy_is_not_tracked(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "data/raw/mine").mkdir(parents=True)
    for source in ("nowhere", "file", "data", "data/raw/mine", "~nobody_of_this_name/clips"):
        assert folders(tmp_path, source)["fetch_folder"]["mine"]["folder"] == ABSENT, source
