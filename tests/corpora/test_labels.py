import numpy as np
import pytest

from merflow.corpora.labels import CLASSES, SYNONYMS, counterparts, emotion
from merflow.errors import CheckpointError


@pytest.mark.parametrize("corpus", CLASSES)
def test_every_class_of_a_corpus_is_a_known_emotion_and_no_two_are_the_same(corpus):
    names = [emotion(name) for name in CLASSES[corpus]]
    assert set(names) <= set(SYNONYMS)
    assert len(set(names)) == len(names)


def test_names_of_checkpoints_and_corpora_meet():
    assert {emotion(name) for name in ("hap", "Happy", "happiness", " JOY ")} == {"joy"}
    assert emotion("pleasant_surprise") == emotion("ps") == "surprise"
    assert emotion("exc") != emotion("hap")  # IEMOCAP tells them apart


def test_no_name_means_two_emotions():
    names = [name for key, others in SYNONYMS.items() for name in (key, *others)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", ["LABEL_0", "0", "", "other"])
def test_what_is_no_emotion_is_refused_by_name(name):
    with pytest.raises(
        CheckpointError, match=f"'{name}' is no known name of an emotion; known: neutral, joy"
    ):
        emotion(name)


def test_probabilities_find_their_class_by_name_in_any_order():
    columns = ["angry", "calm", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
    chosen = counterparts(columns, CLASSES["meld"])
    assert [columns[place] for place in chosen] == [
        "neutral",
        "happy",
        "surprise",
        "angry",
        "sad",
        "disgust",
        "fear",
    ]
    assert counterparts(CLASSES["ravdess"], ("fear", "calm")) == [5, 1]
    row = np.arange(8.0)
    assert row[chosen].tolist() == [5, 4, 7, 0, 6, 2, 3]


def test_a_class_without_counterpart_is_named():
    with pytest.raises(
        CheckpointError,
        match="no column means 'surprise': the columns are angry, happy, neutral, sad",
    ):
        counterparts(["angry", "happy", "neutral", "sad"], ("neutral", "surprise"))
