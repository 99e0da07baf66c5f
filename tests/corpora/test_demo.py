import hashlib
import io
import json
import multiprocessing
import os
import tarfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

import av
import cv2
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
from merflow.corpora.demo import iemocap, make, meld, mosei, packing
from merflow.corpora.demo.cast import person, place
from merflow.corpora.demo.chance import chance
from merflow.corpora.demo.expression import EXPRESSIONS, express
from merflow.corpora.demo.face import Portrait
from merflow.corpora.demo.script import Take
from merflow.corpora.demo.speech import VARIANTS, Voice, speak
from merflow.corpora.demo.studio import Clip, film
from merflow.corpora.fetch import fetch
from merflow.corpora.labels import CLASSES
from merflow.errors import CorpusError, MediaError
from merflow.features.aligned import Spoken, extract
from merflow.features.extractor import Flagged
from merflow.features.sources import Sounds
from merflow.media.encode import AVI, MP4, write_clip, write_sound
from merflow.media.probe import probe
from merflow.media.step import assemble, decode_shard
from merflow.params import AlignedParams
from merflow.store import write_table

EVERY_VOICE = [variant for variants in VARIANTS.values() for variant in variants]


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """A demo corpus as fetched, and its tables; each is built once."""
    built = {}

    def get(corpus: str):
        if corpus not in built:
            folder = tmp_path_factory.mktemp(corpus)
            fetch(corpus, "demo", folder / "raw", folder / "scratch", folder / "digests")
            built[corpus] = folder / "raw", corpora.load(corpus).read_utterances(folder / "raw")
        return built[corpus]

    return get


def kinds(read) -> Counter:
    return Counter(defect.kind for defect in read.defects)


def about(read, kind: str) -> set:
    return {defect.utterance_id for defect in read.defects if defect.kind == kind}


# --- the planted defects arrive, and nothing else is wrong


def test_meld_has_the_layout_and_the_defects_of_the_distribution(demo):
    root, read = demo("meld")
    assert kinds(read) == {
        "clip unreadable": 1,
        "clip absent": 1,
        "extra file": 4,
        "zero or negative span": 1,
        "short span": 1,
        "long span": 1,
        "span in two splits": 1,
        "clip length": 2,  # of the zero and the long span
    }
    assert about(read, "clip unreadable") == {"train_dia3_utt1"}
    assert about(read, "clip absent") == {"dev_dia4_utt1"}
    extra = {
        defect.detail.split()[0].rsplit("/", 1)[-1]
        for defect in read.defects
        if defect.kind == "extra file"
    }
    assert extra == {
        "dia2_utt19.mp4",
        "dia2_utt20.mp4",
        "final_videos_testdia0_utt0.mp4",
        "._dia0_utt0.mp4",
    }
    rows = read.utterances.set_index("utterance_id")
    (twin,) = about(read, "span in two splits")
    same = rows.loc[[twin, "train_dia12_utt2"]]
    assert same["text"].nunique() == same["origin"].nunique() == 1
    clips = [(root / clip).read_bytes() for clip in same["clip"]]
    assert clips[0] == clips[1]
    assert probe(root / rows.loc["train_dia7_utt1", "clip"]).duration_s == pytest.approx(
        0.083, abs=0.01
    )  # two frames


def test_meld_annotations_look_like_the_official_ones(demo):
    root, read = demo("meld")
    text = (root / "MELD.Raw" / "test_sent_emo.csv").read_bytes().decode("utf-8")
    header, first, *_ = text.split("\r\n")
    assert (
        header
        == "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime"
    )
    assert first.startswith("1,") and first.endswith('"') and text.endswith("\r\n") and "’" in text
    turns = read.utterances.groupby("dialogue_id")["turn"].agg(["max", "count"])
    assert (turns["max"] + 1 > turns["count"]).sum() >= 5  # gaps in Utterance_ID
    split = pd.crosstab(read.utterances["official_split"], read.utterances["labels"].str[0])
    assert (split[list(CLASSES["meld"])] > 0).all(axis=None)
    assert 0.42 < split["neutral"].sum() / len(read.utterances) < 0.52


def test_iemocap_has_the_layout_and_the_defects_of_the_distribution(demo):
    root, read = demo("iemocap")
    assert kinds(read) == {
        "no text": 1,
        "no video": 1,
        "zero or negative span": 1,
        "clip unreadable": 1,
    }
    top = root / "IEMOCAP_full_release"
    lines = (top / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt").read_text().splitlines()
    assert lines[0] == "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]"
    rows = read.utterances
    assert (
        set(rows["session"]) == {"Ses01", "Ses02", "Ses03", "Ses04", "Ses05"}
        and rows["speaker"].nunique() == 10
    )
    counts = pd.crosstab(rows["session"], rows["labels"].str[0])
    assert (counts[list(CLASSES["iemocap"])] > 0).all(axis=None)
    assert counts[["no agreement", "other", "surprise"]].sum().min() > 0
    # sentence sound is what the camera file has in its span
    row = rows[rows["utterance_id"] == "Ses01F_impro01_F001"].iloc[0]
    sound, rate = soundfile.read(
        top / "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F001.wav"
    )
    assert rate == 16_000 and len(sound) / rate == pytest.approx(
        row["end_s"] - row["start_s"], abs=1e-3
    )


def test_mosei_has_the_layout_and_the_defects_of_the_distribution(demo):
    root, read = demo("mosei")
    found = kinds(read)
    videos = mosei.write_script()
    assert found == {
        "negative start": 1,
        "label out of range": 1,
        "no label": 1,
        "span beyond clip": 1,
        "clip absent": len(videos[mosei.NO_VIDEO].segments),
        "no fold": len(videos[-1].segments),
    }
    assert about(read, "negative start") == {f"{videos[mosei.NEGATIVE_START].name}[0]"}
    with h5py.File(root / "CMU_MOSEI_TimestampedWords.csd") as words:
        video = words["words/data"][videos[0].name]
        assert video["features"].dtype == np.dtype("S20") and video["features"][0, 0] == b"sp"
    rows = read.utterances
    folds = rows[rows["official_split"].notna()]
    positives = folds.explode("labels").pivot_table(
        index="official_split", columns="labels", aggfunc="size", fill_value=0
    )
    assert (positives[list(CLASSES["mosei"])] > 0).all(axis=None)
    assert (rows["labels"].str.len() > 1).mean() > 0.15  # several emotions at once
    untold = rows[rows["dialogue_id"] == videos[mosei.NO_TRANSCRIPT].name]["text"].tolist()
    spoken = [
        segment.take.text.lower().strip(".!?").replace(",", "")
        for segment in videos[mosei.NO_TRANSCRIPT].segments
    ]
    assert sorted(untold) == sorted(spoken)  # from the words' times


@pytest.mark.parametrize(
    ("corpus", "no_pictures", "short_sounds"),
    [
        ("meld", set(), {"train_dia7_utt1"}),
        (
            "iemocap",
            {"Ses03M_impro02", "Ses04M_script02_1_F001"},
            set(),
        ),  # a dialogue without film, a turn without a time in it
        ("mosei", set(), set()),
        ("ravdess", {"01-05-02-01-01-03"}, set()),
    ],
)
def test_decoding_finds_the_planted_defects_and_no_others(
    demo, corpus, no_pictures, short_sounds, tmp_path
):
    root, read = demo(corpus)
    write_table(tmp_path / "utterances.parquet", read.utterances, artifacts.UTTERANCES)
    shard = tmp_path / "shard" / "DONE.json"
    decode_shard(
        tmp_path / "utterances.parquet",
        root,
        {"short_side": 32, "jpeg_quality": 50},
        "c0",
        0,
        1,
        shard,
    )
    assemble([shard.parent], tmp_path / "media")
    found = pd.read_csv(tmp_path / "media" / "defects.csv")
    assert set(found["kind"]) == ({"no pictures"} if no_pictures else set())
    of = read.utterances.set_index("utterance_id")["dialogue_id"]
    assert set(found["utterance_id"]) == {
        name for name in of.index if {name, of[name]} & no_pictures and read_clip(read, name)
    }
    sounds = Sounds(tmp_path / "media" / "audio")
    assert len(sounds.ids) == read.utterances["clip"].notna().sum()
    sounds.read(sounds.ids)
    assert {defect.utterance_id for defect in sounds.defects} == short_sounds


def read_clip(read, utterance_id) -> bool:
    """Whether the utterance has a clip at all."""
    return bool(read.utterances.set_index("utterance_id")["clip"].notna()[utterance_id])


def test_mosei_s_sequences_have_the_planted_defects_and_follow_the_emotion(demo, tmp_path):
    root, read = demo("mosei")
    write_table(tmp_path / "utterances.parquet", read.utterances, artifacts.UTTERANCES)
    videos = mosei.write_script()
    spoken = {
        f"{video.name}[{row}]": video.segments[turn].take.emotion
        for video in videos
        for row, turn in enumerate(video.rows)
    }

    def ids_of(number: int) -> set[str]:
        return {name for name in spoken if name.startswith(f"{videos[number].name}[")}

    silent = f"video {videos[mosei.NO_SOUND].name}, {len(videos[mosei.NO_SOUND].segments)} utterances, is not in CMU_MOSEI_COVAREP.csd"
    unlabelled = f"video {mosei.UNLABELLED} of CMU_MOSEI_VisualFacet42.csd"
    for name, dim, planted, flagged in (
        ("CMU_MOSEI_COVAREP.csd", 74, [silent], ids_of(mosei.INFINITE_SOUND)),
        ("CMU_MOSEI_VisualFacet42.csd", 35, [unlabelled], {f"{videos[mosei.LOST_FACE].name}[0]"}),
        ("CMU_MOSEI_TimestampedWordVectors.csd", 300, [], set()),
    ):
        params = AlignedParams(file=name, dim=dim)
        source = Spoken(root, tmp_path / "utterances.parquet", params)
        rows = dict(zip(source.ids, extract([source.read(source.ids)], params, None), strict=True))
        assert [defect.detail for defect in source.defects] == planted
        assert {
            utterance: row.kind for utterance, row in rows.items() if isinstance(row, Flagged)
        } == dict.fromkeys(flagged, "not finite")
        assert set(spoken) - set(rows) == (ids_of(mosei.NO_SOUND) if dim == 74 else set())
        values = {
            utterance: row.values if isinstance(row, Flagged) else row
            for utterance, row in rows.items()
        }
        assert all(row.shape[1] == dim and np.isfinite(row).all() for row in values.values())
        means = np.stack([row.mean(axis=0) for row in values.values()])
        emotions = [spoken[utterance] for utterance in values]
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
        predicted = cross_val_predict(
            model, means, emotions, groups=[name.split("[")[0] for name in values], cv=GroupKFold(5)
        )
        majority = Counter(emotions).most_common(1)[0][1] / len(emotions)
        assert majority + 0.08 < np.mean(predicted == np.array(emotions)) < 0.85


def test_ravdess_has_the_layout_and_the_defects_of_the_distribution(demo):
    _, read = demo("ravdess")
    assert kinds(read) == {"clip unreadable": 1, "extra file": 1, "song file": 1}
    assert about(read, "clip unreadable") == {"01-05-02-01-01-03"}
    rows = read.utterances.set_index("utterance_id")
    assert Counter(rows["labels"].str[0]) == {
        name: 16 if name == "neutral" else 32 for name in CLASSES["ravdess"]
    }
    assert rows.loc["01-05-02-01-01-03", "clip"].endswith(
        ".wav"
    )  # the sound stands in for the broken video


# --- the same bytes every time


def test_a_corpus_has_the_same_bytes_twice(demo, tmp_path):
    root, _ = demo("mosei")
    first = {
        entry["url"]: entry["sha256"]
        for entry in json.loads((root / "SOURCE.json").read_text())["files"]
    }
    again = make("mosei", tmp_path)
    assert sorted(first) == sorted(mosei.FILES)
    assert {source.name: source.sha256 for source in again} == first
    for source in again:
        path = tmp_path / source.name
        assert (
            source.url == path.as_uri()
            and source.size == path.stat().st_size
            and source.unpack == (path.suffix == ".zip")
        )
        assert source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(first)  # no scratch left


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_a_clip_has_the_same_bytes_twice_and_does_not_depend_on_what_was_made_before(
    tmp_path, suffix
):
    take = Take("meld", "some_utterance", person("meld", "Nora", True), "joy", "That’s wonderful.")
    other = Take("meld", "another", person("meld", "Otto", False), "anger", "Get out!")

    def clip(name: str, *takes: Take) -> bytes:
        path = tmp_path / f"{name}{suffix}"
        film(Clip(path, takes, (take.speaker,), "dia0"))
        return path.read_bytes()

    first = clip("a", take)
    assert clip("b", other) != first
    (tmp_path / f"a{suffix}").unlink()
    assert clip("a", take) == first


def test_every_voice_says_the_same_in_every_process():
    here = {variant: {_said(variant) for _ in range(3)} for variant in EVERY_VOICE}
    with ProcessPoolExecutor(
        1, multiprocessing.get_context("spawn")
    ) as pool:  # another heap at other addresses
        elsewhere = dict(zip(EVERY_VOICE, pool.map(_said, EVERY_VOICE), strict=True))
    assert here == {variant: {digest} for variant, digest in elsewhere.items()}
    assert len(set(elsewhere.values())) == len(
        EVERY_VOICE
    )  # espeak-ng takes an unknown variant for none, in silence


def _said(variant: str) -> str:
    return hashlib.sha256(
        speak("This fish is disgusting, she said.", Voice(variant, 50, 50, 220, 100)).tobytes()
    ).hexdigest()


def test_an_archive_does_not_depend_on_times_and_order(tmp_path):
    for name, order in (("a", ["x.txt", "y/z.txt"]), ("b", ["y/z.txt", "x.txt"])):
        for seconds, member in enumerate(order):
            path = tmp_path / name / member
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(member)
            os.utime(path, (seconds, seconds))
    tars = [
        packing.tar_gz(tmp_path / name, tmp_path / f"{name}.tar.gz").read_bytes() for name in "ab"
    ]
    zips = [packing.zipped(tmp_path / name, tmp_path / f"{name}.zip").read_bytes() for name in "ab"]
    assert tars[0] == tars[1] and zips[0] == zips[1]
    with tarfile.open(fileobj=io.BytesIO(tars[0])) as archive:
        assert archive.getnames() == ["x.txt", "y", "y/z.txt"]


# --- each modality tells something, none all, and a leaking split scores higher


def classifier():
    return make_pipeline(TfidfVectorizer(), LogisticRegression(C=10, max_iter=1000))


def script_of(corpus: str) -> pd.DataFrame:
    if corpus == "meld":
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
    return pd.DataFrame(rows, columns=["text", "label", "dialogue", "part"])


def test_words_beat_the_majority_on_the_official_split_and_are_not_perfect():
    rows = script_of("meld")
    train, test = rows[rows["part"] == "train"], rows[rows["part"] == "test"]
    predicted = classifier().fit(train["text"], train["label"]).predict(test["text"])
    majority = f1_score(test["label"], ["neutral"] * len(test), average="weighted")
    assert majority + 0.15 < f1_score(test["label"], predicted, average="weighted") < 0.85


@pytest.mark.parametrize(("corpus", "gap"), [("meld", 0.05), ("iemocap", 0.12)])
def test_a_random_split_of_utterances_scores_higher_than_one_of_dialogues(corpus, gap):
    rows = script_of(corpus)

    def score(folds, groups=None) -> float:
        predicted = cross_val_predict(
            classifier(), rows["text"], rows["label"], groups=groups, cv=folds
        )
        return f1_score(rows["label"], predicted, average="weighted")

    leaking = np.mean([score(KFold(5, shuffle=True, random_state=seed)) for seed in range(5)])
    clean = np.mean(
        [
            score(GroupKFold(5, shuffle=True, random_state=seed), rows["dialogue"])
            for seed in range(5)
        ]
    )
    assert leaking > clean + gap


def test_voices_and_faces_differ_by_emotion_with_noise_and_confusions():
    shown = {
        emotion: np.array(
            [
                [*vars(express(emotion, chance("test", emotion, str(n)))).values()]
                for n in range(200)
            ]
        )
        for emotion in EXPRESSIONS
    }
    pitch, smile = 0, 4
    assert (
        np.median(shown["surprise"][:, pitch])
        > np.median(shown["neutral"][:, pitch]) + 15
        > np.median(shown["sadness"][:, pitch]) + 25
    )
    assert np.median(shown["joy"][:, smile]) > 0.7 > -0.4 > np.median(shown["anger"][:, smile])
    wrong = np.abs(shown["joy"][:, smile] - EXPRESSIONS["joy"].smile) > 4 * 0.25
    assert 0.04 < wrong.mean() < 0.2
    lengths = [
        len(speak("She called about the kettle.", Voice("m1", 40, 45, rate, 90)))
        for rate in (160, 205, 300)
    ]
    assert lengths[0] > lengths[1] > lengths[2]


def test_a_face_detector_finds_the_drawn_face():
    finder = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    found = []
    for number, (emotion, expression) in enumerate(EXPRESSIONS.items()):
        portrait = Portrait(person("test", emotion), place("test", str(number)), 160)
        grey = cv2.cvtColor(portrait.draw(expression, 0.3, False), cv2.COLOR_RGB2GRAY)
        found.append(len(finder.detectMultiScale(grey, 1.1, 3, minSize=(24, 24))))
    assert found.count(1) >= 9


# --- writing clips


def test_pictures_and_sound_come_back(tmp_path):
    frames = [np.full((48, 64, 3), (200, 10 * n, 40), np.uint8) for n in range(12)]
    seconds = np.arange(24_000) / 48_000
    samples = np.stack([0.5 * np.sin(2 * np.pi * 440 * seconds), np.zeros(24_000)], axis=1).astype(
        np.float32
    )
    for form, rate in ((MP4, 48_000), (AVI, 48_000)):
        path = tmp_path / f"clip.{form.container}"
        write_clip(path, iter(frames), 24, samples, rate, form)
        with av.open(str(path)) as container:
            codecs = ["h264", "aac"] if form is MP4 else ["mpeg4", "mp3float"]
            assert [stream.codec_context.name for stream in container.streams] == codecs
            pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
            container.seek(0)
            sound = np.concatenate(
                [frame.to_ndarray() for frame in container.decode(audio=0)], axis=1
            )
        assert (
            len(pictures) == 12 and np.abs(pictures[6].mean(axis=(0, 1)) - [200, 60, 40]).max() < 12
        )
        assert 24_000 <= sound.shape[1] < 24_000 + 3 * 1152
        assert np.abs(np.fft.rfft(sound[0, 4000:20_000])).argmax() * 3 == 441  # bins of 3 Hz
        assert np.abs(sound[1]).max() < 0.05
    write_sound(tmp_path / "sound.wav", samples, 48_000)
    back, rate = soundfile.read(tmp_path / "sound.wav")
    assert rate == 48_000 and np.abs(back - samples).max() < 1e-4


def test_what_cannot_be_encoded_leaves_no_file(tmp_path):
    with pytest.raises(
        MediaError, match=r"clip.mp4: cannot encode pictures None and samples \(10, 1\)"
    ):
        write_clip(tmp_path / "clip.mp4", [], 24, np.zeros((10, 1), np.float32), 48_000)
    odd = [np.zeros((47, 63, 3), np.uint8)]
    with pytest.raises(MediaError, match="cannot be encoded as libx264 and aac"):
        write_clip(tmp_path / "clip.mp4", odd, 24, np.zeros((10, 1), np.float32), 48_000)
    assert not list(tmp_path.iterdir())


def test_speech_that_cannot_be_made_is_an_error(monkeypatch):
    with pytest.raises(MediaError, match="said nothing"):
        speak("", Voice("m1", 50, 50, 200, 100))
    monkeypatch.setattr("espeakng_loader.get_data_path", lambda: "/nowhere")
    with pytest.raises(MediaError, match="espeak-ng failed on 'Hi'"):
        speak("Hi", Voice("m1", 50, 50, 200, 100))


def test_an_unknown_corpus_is_refused(tmp_path):
    with pytest.raises(
        CorpusError,
        match="friends: no demo of this corpus; there is one of meld, iemocap, mosei, ravdess",
    ):
        make("friends", tmp_path)
