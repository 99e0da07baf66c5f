import os
from pathlib import Path

import pandas as pd
import pytest

from merflow import corpora
from merflow.corpora.splits import make_splits
from merflow.evaluation.leakage import shared

REAL = os.environ.get("MERFLOW_REAL_DATA")


def test_each_test_row_is_looked_up_in_train_of_its_fold():
    columns = ["utterance_id", "fold", "split", "origin", "text", "dialogue_id", "speaker"]
    rows = [
        ("a", 0, "train", "s1 0-1", "hello", "d0", "Joey"),
        ("b", 0, "test", "s1 0-1", "hello", "d1", "Joey"),  # the same span and text
        ("c", 0, "test", None, None, "d0", "Ross"),  # no span and no text are shared with nobody
        ("d", 0, "dev", "s1 5-6", "bye", "d2", "Ross"),
        ("a", 0, "test", "s1 0-1", "hello", "d0", "Joey"),  # the same clip, with another label
        ("d", 1, "train", "s1 5-6", "bye", "d2", "Ross"),
        ("c", 1, "test", None, "hello", "d0", "Ross"),
        ("e", 1, "train", None, None, "d3", "Rachel"),
    ]
    expected = {
        "shares_clip": 1,
        "shares_origin": 2,
        "shares_text": 2,
        "shares_dialogue": 2,
        "shares_speaker": 3,
    }
    frame = pd.DataFrame(rows, columns=columns)
    assert shared(frame) == expected
    del expected["shares_speaker"]  # unknown where no speaker is named
    assert shared(frame.assign(speaker="")) == expected


@pytest.mark.skipif(not REAL, reason="MERFLOW_REAL_DATA is not set")
def test_official_meld_shares_texts_and_pooled_meld_dialogues():
    """331 of the 2610 official test texts are in train too. Pooling adds the dialogues."""
    utterances = corpora.load("meld").read_utterances(Path(REAL) / "meld").utterances
    splits = make_splits(utterances, "meld", ["official", "pooled"])
    facts = {
        scheme: shared(rows.merge(utterances, on="utterance_id"))
        for scheme, rows in splits.groupby("scheme")
    }
    assert facts["official"]["shares_text"] == 331
    assert facts["official"]["shares_dialogue"] == facts["official"]["shares_clip"] == 0
    assert facts["pooled"]["shares_dialogue"] > 2500 and facts["pooled"]["shares_clip"] == 0
