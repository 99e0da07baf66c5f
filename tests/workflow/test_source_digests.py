"""Digests of downloads: declared content counts, further fields do not."""

import shutil
from dataclasses import dataclass, replace

import digests
import pytest
import yaml
from plan import Plan
from support import ROOT

from merflow import presets
from merflow.corpora import meld
from merflow.corpora.corpus import Source


@dataclass(frozen=True)
class LaterSource(Source):
    """A source with a field that a later version adds."""

    mirror: str | None = None


@pytest.fixture
def download(tmp_path):
    """Function that computes the digests of downloads, of MELD alone."""
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    values = yaml.safe_load(presets.compose("paper", ROOT / "params"))
    values["run"] |= {"corpora": ["meld"], "papers": ["weighted_late_fusion"]}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    plan = Plan(tmp_path)
    return lambda: digests.compute([plan.fetch], plan.params)


def test_a_new_field_with_a_default_keeps_a_download(download, monkeypatch):
    before = download()
    later = tuple(LaterSource(**vars(source)) for source in meld.SOURCES)
    monkeypatch.setattr(digests, "official_sources", lambda corpus: later)
    assert later and download() == before


@pytest.mark.parametrize("change", [{"url": "https://a/b"}, {"size": 1}, {"sha256": "0" * 64}])
def test_a_changed_source_is_downloaded_again(download, monkeypatch, change):
    before = download()
    first, *further = meld.SOURCES
    changed = (replace(first, **change), *further)
    monkeypatch.setattr(digests, "official_sources", lambda corpus: changed)
    assert download() != before
