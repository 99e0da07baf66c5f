import numpy as np
import pytest

from merflow.corpora.labels import CLASSES, SYNONYMS, counterparts, emotion
from merflow.errors import CheckpointError


@pytest.mark.parametrize("corpus", CLASSES)
def test_classes_of_a_corpus_are_different_known_emotions(corpus):
    names = [emotion(name) for name in CLASSES[corpus]]
    assert set(names) <= set(SYNONYMS)
    assert len(set(names)) == len(names)


def test_names_of_checkpoints_and_corpora_meet():
    assert {emotion(name) for name in ("hap", "Happy", "happiness", " JOY ")} == {"joy"}
    assert emotion("pleasant_surprise") == emotion("ps") == "surprise"
    assert emotion("exc") != emotion("hap")  # two classes of IEMOCAP


def test_no_name_means_two_emotions():
    names = [name for key, synonyms in SYNONYMS.items() for name in (key, *synonyms)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", ["LABEL_0", "0", "", "other"])
def test_another_name_than_of_an_emotion_is_refused(name):
    message = f"'{name}' is not a known name of an emotion; known: neutral, joy"
    with pytest.raises(CheckpointError, match=message):
        emotion(name)


def test_probabilities_find_their_class_by_name_in_any_order():
    columns = ["angry", "calm", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
    chosen = counterparts(columns, CLASSES["meld"])
    expected = ["neutral", "happy", "surprise", "angry", "sad", "disgust", "fear"]
    assert [columns[index] for index in chosen] == expected
    assert counterparts(CLASSES["ravdess"], ("fear", "calm")) == [5, 1]
    row = np.arange(8.0)
    assert row[chosen].tolist() == [5, 4, 7, 0, 6, 2, 3]


def test_a_class_without_counterpart_is_named():
    message = "no column means 'surprise': the columns are angry, happy, neutral, sad"
    with pytest.raises(CheckpointError, match=message):
        counterparts(["angry", "happy", "neutral", "sad"], ("neutral", "surprise"))
