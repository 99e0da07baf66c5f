"""Pre-flight: each thing that may be missing for a run, and how the list names it."""

import socket
import time

import huggingface_hub
import pytest
from support import ROOT
from support.checkpoint_step import MODEL
from support.file_server import serving
from support.hub_server import Hub, running

from merflow import corpora, gpus, params, presets
from merflow.corpora import disk
from merflow.corpora.corpus import Source
from merflow.corpora.fetch import place_of
from merflow.params import CheckpointParams, CorpusParams, Params
from merflow.preflight import findings, hosts, room
from merflow.preflight.findings import Finding, Work

COMMIT = "a" * 40
OFF = "http://127.0.0.1:9"  # a port that nothing listens at


@pytest.fixture(scope="module")
def paper() -> Params:
    return params.check(presets.compose("paper", ROOT / "params"), "the paper preset")


def with_sources(paper: Params, **sources: str) -> Params:
    """The paper preset with other sources of corpora."""
    changed = {
        name: paper.corpora[name].model_copy(update={"source": source})
        for name, source in sources.items()
    }
    return paper.model_copy(update={"corpora": paper.corpora | changed})


def with_checkpoint(paper: Params, **place: str) -> Params:
    """The paper preset with another place of bert."""
    checkpoints = paper.checkpoints | {"bert": CheckpointParams(**place)}
    return paper.model_copy(update={"checkpoints": checkpoints})


def with_files(monkeypatch, *files: Source) -> None:
    """Let every corpus be published as these files."""
    monkeypatch.setattr(findings, "official_sources", lambda _: files)


def only(found: list[Finding]) -> Finding:
    (finding,) = found
    assert "\n" not in finding.text
    return finding


def test_a_licence_form_is_named_with_how_to_go_on(paper, tmp_path):
    form = only(findings.find(paper, Work(corpora=["iemocap"]), tmp_path))
    assert form.certain
    assert "licence form at https://sail.usc.edu/iemocap/" in form.text
    assert "corpora.iemocap.source: <folder>" in form.text
    assert form.text.endswith("or leave it out: run.corpora: [meld, mosei, ravdess]")


def test_an_absent_folder_of_a_corpus_is_named(paper, tmp_path):
    chosen = with_sources(paper, meld=str(tmp_path / "gone"), iemocap=str(tmp_path / "too"))
    found = findings.find(chosen, Work(corpora=["meld", "iemocap"]), tmp_path)
    assert [finding.certain for finding in found] == [True, True]
    for finding, name in zip(found, ("gone", "too"), strict=True):
        assert finding.text.startswith(f"{tmp_path / name}: no such folder; correct corpora.")
        assert finding.text.endswith("run.corpora: [mosei, ravdess]")  # without both


def test_own_clips_need_their_folder_and_texts_alone_do_not(tmp_path):
    table = tmp_path / "mine.csv"
    corpus = CorpusParams(source=str(tmp_path / "gone"), annotations=str(table))
    for clip, is_named in (("a{}.wav", True), ("", False)):
        rows = [
            f"{clip.format(k)},Text {k}.,{['joy', 'anger'][k % 2]},s{k % 3},," for k in range(9)
        ]
        table.write_text("\n".join(["clip,text,label,speaker,dialogue,split", *rows]))
        finding = findings.of_corpus("mine", corpus, tmp_path)
        assert (finding is not None) == is_named
    assert findings.of_corpus("mine", CorpusParams(source="x", annotations="none.csv"), tmp_path)


def test_nothing_is_said_of_demo_corpora_and_folders(paper, tmp_path):
    (tmp_path / "meld").mkdir()
    (tmp_path / "meld/a.csv").write_text("1")
    chosen = with_sources(paper, meld=str(tmp_path / "meld"), mosei="demo")
    assert findings.find(chosen, Work(corpora=["meld", "mosei"]), tmp_path / "checkout") == []


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ({"package": "no-such-package"}, "the package no-such-package is not installed"),
        ({"folder": "/nowhere/bert"}, "/nowhere/bert: no such folder"),
        ({"url": "file:///nowhere/vectors.txt"}, "/nowhere/vectors.txt: no such file"),
    ],
)
def test_an_absent_checkpoint_is_named(paper, tmp_path, place, message):
    chosen = with_checkpoint(paper, **place)
    absent = only(findings.find(chosen, Work(checkpoints=["bert"]), tmp_path))
    assert absent.certain
    assert message in absent.text
    assert "checkpoints.bert: {folder: <path>}" in absent.text


def test_the_hub_is_asked_unless_its_cache_has_the_model(paper, tmp_path, monkeypatch):
    chosen = with_checkpoint(paper, hub="me/bert", revision=COMMIT)
    work = Work(checkpoints=["bert"])
    with running(Hub({"me/bert": {COMMIT: MODEL}}), monkeypatch, tmp_path / "cache") as hub:
        assert findings.find(chosen, work, tmp_path) == []
        assert hub.requests == [f"HEAD me/bert/resolve/{COMMIT}/config.json"]
        assert not findings.in_cache(chosen.checkpoints["bert"])
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
        offline = only(findings.find(chosen, work, tmp_path))
        assert "HF_HUB_OFFLINE is set, and me/bert@aaaaaaa is not in" in offline.text
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        huggingface_hub.snapshot_download("me/bert", revision=COMMIT)
    hub.requests.clear()
    assert findings.in_cache(chosen.checkpoints["bert"])
    assert findings.find(chosen, work, tmp_path) == []  # the server is gone
    assert hub.requests == []


def test_a_host_that_does_not_answer_is_one_line(paper, tmp_path, monkeypatch):
    with_files(monkeypatch, Source(f"{OFF}/a.zip"), Source(f"{OFF}/b.zip", needed=False))
    silent = only(findings.find(paper, Work(corpora=["meld", "ravdess"]), tmp_path))
    assert silent.certain
    assert silent.text.startswith(
        "corpora meld, ravdess cannot be downloaded: 127.0.0.1:9 does not answer (Connection"
    )
    assert "corpora.meld.source: <folder> and corpora.ravdess.source: <folder>" in silent.text
    assert silent.text.endswith("leave it out: run.corpora: [iemocap, mosei]")


def test_a_host_of_files_for_some_systems_refuses_nothing(paper, tmp_path, monkeypatch):
    with_files(monkeypatch, Source(f"{OFF}/a.zip", needed=False))
    assert not only(findings.find(paper, Work(corpora=["meld"]), tmp_path)).certain


def test_a_host_that_answers_anything_is_there(paper, tmp_path, monkeypatch):
    with serving({}) as site:  # it answers 501 to HEAD
        with_files(monkeypatch, Source(f"{site.url}/a.zip"))
        assert findings.find(paper, Work(corpora=["meld"]), tmp_path) == []


def test_a_finished_download_needs_no_host(paper, tmp_path, monkeypatch):
    source = Source(f"{OFF}/a.zip")
    with_files(monkeypatch, source)
    folder = place_of(source, tmp_path / "build/fetch/meld/downloads")
    folder.mkdir(parents=True)
    (folder / "a.zip").write_text("")
    assert findings.find(paper, Work(corpora=["meld"]), tmp_path) == []


def test_hosts_are_asked_through_the_proxy(monkeypatch):
    with serving({}) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        assert hosts.silent({"corpus.invalid": "http://corpus.invalid/a.zip"}) == {}


def test_slow_hosts_are_there_and_all_together_end_in_time(monkeypatch):
    monkeypatch.setattr(hosts, "CONNECT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as slow:  # connects, and never answers
        url = f"http://127.0.0.1:{slow.getsockname()[1]}/a"
        assert hosts.silent({"slow": url}) == {}
    monkeypatch.setattr(hosts, "DEADLINE_S", 0.2)
    monkeypatch.setattr(hosts, "_failure", lambda _: time.sleep(2))
    start = time.monotonic()
    urls = {str(number): "" for number in range(5)}
    assert set(hosts.silent(urls).values()) == {"no answer within 0.2 s"}
    assert time.monotonic() - start < 1


def test_a_full_disk_is_certain_for_a_copy_and_rough_otherwise(paper, tmp_path, monkeypatch):
    (tmp_path / "meld").mkdir()
    (tmp_path / "meld/a.mp4").write_bytes(bytes(1000))
    monkeypatch.setattr(disk, "free", lambda _: 999)
    chosen = with_sources(paper, meld=str(tmp_path / "meld"), ravdess="demo")
    copy = only(findings.find(chosen, Work(corpora=["meld", "ravdess"]), tmp_path / "checkout"))
    assert copy.certain and f"the copy of {tmp_path / 'meld'} (corpus meld)" in copy.text
    rough = only(findings.find(paper, Work(media=["mosei"]), tmp_path))
    assert not rough.certain and "(a rough estimate, without weights)" in rough.text


def test_estimates_have_the_size_of_the_documents(paper, tmp_path):
    def gb(corpus: str, feature: str) -> float:
        return room.estimate(paper, tmp_path, [], [], [], [(corpus, feature)]) / room.GB

    # the table of docs/paper-scale.md
    assert gb("meld", "mel") == pytest.approx(1.4, abs=0.1)
    assert gb("mosei", "mel") == pytest.approx(5.4, abs=0.1)
    assert gb("mosei", "egemaps_lld") == pytest.approx(1.7, abs=0.1)
    assert gb("meld", "wav2vec2") == pytest.approx(6.5, abs=0.1)
    annotations_alone = tmp_path / "meld"
    annotations_alone.mkdir()
    chosen = with_sources(paper, meld=str(annotations_alone))
    assert room.estimate(chosen, tmp_path, [], [], ["meld"], [("meld", "mel")]) == 0


@pytest.mark.parametrize("name", ["meld", "mosei", "ravdess"])
def test_means_have_the_number_of_utterances(name):
    expected = corpora.load(name).EXPECTED
    splits = [expected["all"]] if "all" in expected else expected.values()
    assert room.MEANS[name].utterances == sum(sum(split.values()) for split in splits)


def test_a_gpu_is_missed_by_bf16_and_by_jobs_that_reserve_one(paper, tmp_path, monkeypatch):
    monkeypatch.setattr(gpus, "visible", list)
    fine_tuned = [("deepmsi_mer", "text")] * 3 + [("weighted_late_fusion", "text_bert_8")]
    supposed = only(findings.find(paper, Work(fine_tuned=fine_tuned), tmp_path))
    assert not supposed.certain
    assert "2 systems of deepmsi_mer, weighted_late_fusion fine-tune" in supposed.text
    assert "in 4 jobs" in supposed.text
    assert "run.papers: [joint_cnn, class_weight_lstm, mel_cnn_bert]" in supposed.text
    reserved = only(findings.find(paper, Work(fine_tuned=fine_tuned, gpus=1), tmp_path))
    assert reserved.certain
    assert findings.find(paper, Work(fine_tuned=fine_tuned, local=False), tmp_path) == []
    fp32 = paper.model_copy(update={"training": params.whole.DeviceParams(precision="fp32")})
    assert findings.find(fp32, Work(fine_tuned=fine_tuned), tmp_path) == []
    monkeypatch.setattr(gpus, "visible", lambda: ["GPU-1"])
    assert findings.find(paper, Work(fine_tuned=fine_tuned, gpus=1), tmp_path) == []
