"""Demo corpora: layouts, planted defects, and the difficulty of the task."""

import hashlib
import json
from collections import Counter

import h5py
import numpy as np
import pandas as pd
import pytest
import soundfile
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import GroupKFold, KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from merflow import artifacts, corpora
from merflow.corpora.demo import iemocap, make, meld, mosei
from merflow.corpora.fetch import fetch
from merflow.corpora.labels import CLASSES
from merflow.errors import CorpusError
from merflow.features.aligned import SpokenSequence, extract
from merflow.features.extractor import Flagged
from merflow.features.sources import AudioSource
from merflow.media.probe import probe
from merflow.media.step import assemble, decode_shard
from merflow.params import AlignedParams
from merflow.store import write_table


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """A demo corpus as fetched, and its tables; each is built once."""
    built = {}

    def get(name: str):
        if name not in built:
            folder = tmp_path_factory.mktemp(name)
            fetch(name, "demo", folder / "raw", folder / "scratch", folder / "digests")
            built[name] = folder / "raw", corpora.load(name).read_utterances(folder / "raw")
        return built[name]

    return get


def kinds(corpus) -> Counter:
    return Counter(defect.kind for defect in corpus.defects)


def ids_of(corpus, kind: str) -> set:
    """Utterances with a defect of this kind."""
    return {defect.utterance_id for defect in corpus.defects if defect.kind == kind}


# --- the planted defects arrive, and no others


def test_meld_has_the_layout_and_defects_of_the_distribution(demo):
    root, corpus = demo("meld")
    assert kinds(corpus) == {
        "clip unreadable": 1,
        "clip absent": 1,
        "extra file": 4,
        "other files": 1,
        "marks of cp1252": 5,
        "zero or negative span": 1,
        "short span": 1,
        "long span": 1,
        "span in two splits": 1,
        "clip length": 2,  # of the zero and the long span
    }
    assert ids_of(corpus, "clip unreadable") == {"train_dia3_utt1"}
    assert ids_of(corpus, "clip absent") == {"dev_dia4_utt1"}
    details = [defect.detail for defect in corpus.defects if defect.kind == "extra file"]
    names = {detail.split()[0].rsplit("/", 1)[-1] for detail in details}
    copies = {"dia2_utt19.mp4", "dia2_utt20.mp4", "final_videos_testdia0_utt0.mp4"}
    assert names == {*copies, "._dia0_utt0.mp4"}
    rows = corpus.utterances.set_index("utterance_id")
    (twin,) = ids_of(corpus, "span in two splits")
    same = rows.loc[[twin, "train_dia12_utt2"]]
    assert same["text"].nunique() == same["origin"].nunique() == 1
    clips = [(root / clip).read_bytes() for clip in same["clip"]]
    assert clips[0] == clips[1]
    short = probe(root / rows.loc["train_dia7_utt1", "clip"])
    assert short.duration_s == pytest.approx(0.083, abs=0.01)  # two frames


def test_meld_annotations_look_like_the_official_ones(demo):
    root, corpus = demo("meld")
    text = (root / "MELD.Raw" / "test_sent_emo.csv").read_bytes().decode("utf-8")
    header, first, *_ = text.split("\r\n")
    assert header == ",".join(meld.COLUMNS)
    assert header.startswith("Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,")
    assert first.startswith("1,") and first.endswith('"') and text.endswith("\r\n") and "’" in text
    rows = corpus.utterances
    turns = rows.groupby("dialogue_id")["turn"].agg(["max", "count"])
    assert (turns["max"] + 1 > turns["count"]).sum() >= 5  # gaps in Utterance_ID
    counts = pd.crosstab(rows["official_split"], rows["labels"].str[0])
    assert (counts[list(CLASSES["meld"])] > 0).all(axis=None)
    assert 0.42 < counts["neutral"].sum() / len(rows) < 0.52


def test_iemocap_has_the_layout_and_defects_of_the_distribution(demo):
    root, corpus = demo("iemocap")
    assert kinds(corpus) == {
        "no text": 1,
        "no video": 1,
        "zero or negative span": 1,
        "clip unreadable": 1,
    }
    top = root / "IEMOCAP_full_release"
    lines = (top / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt").read_text().splitlines()
    assert lines[0] == "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]"
    rows = corpus.utterances
    assert set(rows["session"]) == {"Ses01", "Ses02", "Ses03", "Ses04", "Ses05"}
    assert rows["speaker"].nunique() == 10
    counts = pd.crosstab(rows["session"], rows["labels"].str[0])
    assert (counts[list(CLASSES["iemocap"])] > 0).all(axis=None)
    assert counts[["no agreement", "other", "surprise"]].sum().min() > 0


def test_sentence_wavs_of_iemocap_are_as_long_as_their_spans(demo):
    root, corpus = demo("iemocap")
    row = corpus.utterances.set_index("utterance_id").loc["Ses01F_impro01_F001"]
    folder = root / "IEMOCAP_full_release/Session1/sentences/wav/Ses01F_impro01"
    assert root / row["audio_clip"] == folder / "Ses01F_impro01_F001.wav"
    samples, rate = soundfile.read(root / row["audio_clip"])
    assert rate == 16_000
    assert len(samples) / rate == pytest.approx(row["end_s"] - row["start_s"], abs=1e-3)


def test_mosei_has_the_layout_and_defects_of_the_distribution(demo):
    root, corpus = demo("mosei")
    videos = mosei.write_script()
    assert kinds(corpus) == {
        "negative start": 1,
        "label out of range": 1,
        "no label": 1,
        "span beyond clip": 1,
        "clip absent": len(videos[mosei.NO_VIDEO].segments),
        "no fold": len(videos[-1].segments),
    }
    assert ids_of(corpus, "negative start") == {f"{videos[mosei.NEGATIVE_START].name}[0]"}
    with h5py.File(root / "CMU_MOSEI_TimestampedWords.csd") as words:
        video = words["words/data"][videos[0].name]
        assert video["features"].dtype == np.dtype("S20") and video["features"][0, 0] == b"sp"
    rows = corpus.utterances
    in_fold = rows[rows["official_split"].notna()].explode("labels")
    counts = pd.crosstab(in_fold["official_split"], in_fold["labels"])
    assert (counts[list(CLASSES["mosei"])] > 0).all(axis=None)
    assert (rows["labels"].str.len() > 1).mean() > 0.15  # several emotions at once


def test_mosei_text_without_transcript_comes_from_the_words(demo):
    _, corpus = demo("mosei")
    video, rows = mosei.write_script()[mosei.NO_TRANSCRIPT], corpus.utterances
    texts = rows[rows["dialogue_id"] == video.name]["text"]
    spoken = [take.text.lower().strip(".!?").replace(",", "") for take in video.takes]
    assert sorted(texts) == sorted(spoken)


def test_ravdess_has_the_layout_and_defects_of_the_distribution(demo):
    _, corpus = demo("ravdess")
    assert kinds(corpus) == {"clip unreadable": 1, "extra file": 1, "song file": 1}
    assert ids_of(corpus, "clip unreadable") == {"01-05-02-01-01-03"}
    rows = corpus.utterances.set_index("utterance_id")
    counts = {name: 16 if name == "neutral" else 32 for name in CLASSES["ravdess"]}
    assert Counter(rows["labels"].str[0]) == counts
    assert rows.loc["01-05-02-01-01-03", "clip"].endswith(".wav")  # in place of the broken video


#: Corpus -> dialogues and utterances without frames, and utterances with short audio.
DECODED = {
    "meld": (set(), {"train_dia7_utt1"}),
    # a dialogue without camera file, a turn without time in it
    "iemocap": ({"Ses03M_impro02", "Ses04M_script02_1_F001"}, set()),
    "mosei": (set(), set()),
    "ravdess": ({"01-05-02-01-01-03"}, set()),
}


@pytest.mark.parametrize("name", DECODED)
def test_decoding_finds_the_planted_defects_only(demo, name, tmp_path):
    root, corpus = demo(name)
    without_frames, short_audio = DECODED[name]
    path, shard = tmp_path / "utterances.parquet", tmp_path / "shard" / "DONE.json"
    write_table(path, corpus.utterances, artifacts.UTTERANCES)
    decode_shard(path, root, {"short_side": 32, "jpeg_quality": 50}, "c0", 0, 1, shard)
    assemble([shard.parent], tmp_path / "media")
    defects = pd.read_csv(tmp_path / "media" / "defects.csv")
    assert set(defects["kind"]) == ({"no pictures"} if without_frames else set())
    assert set(defects["medium"]) == ({"frames"} if without_frames else set())
    rows = corpus.utterances.dropna(subset="clip")
    named = rows["utterance_id"].isin(without_frames) | rows["dialogue_id"].isin(without_frames)
    assert set(defects["utterance_id"]) == set(rows["utterance_id"][named])
    audio = AudioSource(tmp_path / "media" / "audio")
    assert len(audio.ids) == len(rows)
    audio.read(audio.ids)
    assert {defect.utterance_id for defect in audio.defects} == short_audio


# --- the computational sequences of mosei


SCRIPT = mosei.write_script()
EMOTION_OF = {
    f"{video.name}[{row}]": video.segments[turn].take.emotion
    for video in SCRIPT
    for row, turn in enumerate(video.rows)
}


def utterances_of(video: mosei.Video) -> set[str]:
    return {f"{video.name}[{row}]" for row in video.rows}


ACOUSTIC, VISUAL = "CMU_MOSEI_COVAREP.csd", "CMU_MOSEI_VisualFacet42.csd"
WORD_VECTORS = "CMU_MOSEI_TimestampedWordVectors.csd"
DIMS = {ACOUSTIC: 74, VISUAL: 35, WORD_VECTORS: 300}


@pytest.fixture
def aligned(demo, tmp_path):
    """A function: source of a sequence, and its value of each utterance."""
    root, corpus = demo("mosei")
    write_table(tmp_path / "utterances.parquet", corpus.utterances, artifacts.UTTERANCES)

    def read(name: str) -> tuple[SpokenSequence, dict]:
        params = AlignedParams(file=name, dim=DIMS[name])
        source = SpokenSequence(root, tmp_path / "utterances.parquet", params)
        rows = extract([source.read(source.ids)], params, None)
        return source, dict(zip(source.ids, rows, strict=True))

    return read


def test_sequences_of_mosei_have_the_planted_defects(aligned):
    silent, lost = SCRIPT[mosei.NO_AUDIO], SCRIPT[mosei.LOST_FACE]
    n_segments = len(silent.segments)
    absent = f"video {silent.name}, {n_segments} utterances, is not in {ACOUSTIC}"
    details = {ACOUSTIC: [absent], VISUAL: [f"video {mosei.UNLABELLED} of {VISUAL}"]}
    flagged = {ACOUSTIC: utterances_of(SCRIPT[mosei.INFINITE_AUDIO]), VISUAL: {f"{lost.name}[0]"}}
    for name in DIMS:
        source, rows = aligned(name)
        assert [defect.detail for defect in source.defects] == details.get(name, [])
        kinds_of = {key: row.kind for key, row in rows.items() if isinstance(row, Flagged)}
        assert kinds_of == dict.fromkeys(flagged.get(name, ()), "not finite")
        missing = set(EMOTION_OF) - set(rows)
        assert missing == (utterances_of(silent) if name == ACOUSTIC else set())


@pytest.mark.parametrize(("name", "dim"), list(DIMS.items()))
def test_sequences_of_mosei_follow_the_emotion(aligned, name, dim):
    _, rows = aligned(name)
    values = {key: row.values if isinstance(row, Flagged) else row for key, row in rows.items()}
    assert all(value.shape[1] == dim and np.isfinite(value).all() for value in values.values())
    means = np.stack([value.mean(axis=0) for value in values.values()])
    emotions = [EMOTION_OF[key] for key in values]
    videos = [key.split("[")[0] for key in values]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    predicted = cross_val_predict(model, means, emotions, groups=videos, cv=GroupKFold(5))
    majority = Counter(emotions).most_common(1)[0][1] / len(emotions)
    assert majority + 0.08 < np.mean(predicted == np.array(emotions)) < 0.85


# --- the same bytes every time


def test_a_corpus_has_the_same_bytes_twice(demo, tmp_path):
    root, _ = demo("mosei")
    files = json.loads((root / "SOURCE.json").read_text())["files"]
    first = {file["url"]: file["sha256"] for file in files}
    again = make("mosei", tmp_path)
    assert sorted(first) == sorted(mosei.FILES)
    assert {source.name: source.sha256 for source in again} == first
    for source in again:
        path = tmp_path / source.name
        assert (source.url, source.size) == (path.as_uri(), path.stat().st_size)
        assert source.unpack == (path.suffix == ".zip")
        assert source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(first)  # no scratch left


# --- text reveals a part of the emotion, and a leaking split scores higher


def classifier():
    return make_pipeline(TfidfVectorizer(), LogisticRegression(C=10, max_iter=1000))


def script_of(name: str) -> pd.DataFrame:
    if name == "meld":
        rows = [
            (row.take.text, row.take.emotion, row.name, row.split) for row in meld.write_script()
        ]
    else:
        rows = [
            (take.text, label, dialogue.name, dialogue.session)
            for dialogue in iemocap.write_script()
            for take, label in zip(dialogue.takes, dialogue.labels, strict=True)
            if label in CLASSES["iemocap"]
        ]
    return pd.DataFrame(rows, columns=["text", "label", "dialogue", "group"])


def test_words_beat_the_majority_and_are_not_perfect():
    rows = script_of("meld")
    train, test = rows[rows["group"] == "train"], rows[rows["group"] == "test"]
    predicted = classifier().fit(train["text"], train["label"]).predict(test["text"])
    majority = f1_score(test["label"], ["neutral"] * len(test), average="weighted")
    assert majority + 0.15 < f1_score(test["label"], predicted, average="weighted") < 0.85


@pytest.mark.parametrize(("name", "gap"), [("meld", 0.05), ("iemocap", 0.12)])
def test_a_random_split_scores_higher_than_one_of_dialogues(name, gap):
    rows = script_of(name)
    text, label = rows["text"], rows["label"]

    def score(folds, groups=None) -> float:
        predicted = cross_val_predict(classifier(), text, label, groups=groups, cv=folds)
        return f1_score(label, predicted, average="weighted")

    def folds(kind, seed: int):
        return kind(5, shuffle=True, random_state=seed)

    leaking = np.mean([score(folds(KFold, seed)) for seed in range(5)])
    clean = np.mean([score(folds(GroupKFold, seed), rows["dialogue"]) for seed in range(5)])
    assert leaking > clean + gap


def test_an_unknown_corpus_is_refused(tmp_path):
    message = "friends: no demo of this corpus; there is one of meld, iemocap, mosei, ravdess"
    with pytest.raises(CorpusError, match=message):
        make("friends", tmp_path)
