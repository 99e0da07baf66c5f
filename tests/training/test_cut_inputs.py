import numpy as np
import pandas as pd
import pytest
from support.multi_label_corpus import write_store

from merflow.papers.mel_cnn_bert import SYSTEMS
from merflow.training.inputs import arrays_of


@pytest.mark.parametrize(
    ("max_frames", "n_cut", "share"), [(2, 2, 5 / 10), (5, 0, 0.0), (None, None, None)]
)
def test_what_is_cut_off_is_counted_in_utterances_and_frames(tmp_path, max_frames, n_cut, share):
    frames = {name: np.ones((n, 3)) for name, n in (("a", 1), ("b", 4), ("c", 5))}
    write_store(tmp_path, "mel", frames)
    stores = {"speech": tmp_path / "features" / "mosei" / "mel.parquet"}
    params = {"speech": {"max_frames": max_frames}} if max_frames else {}
    arrays, cut = arrays_of(
        pd.DataFrame(), {"a", "b", "c"}, SYSTEMS["speech"], params, stores, None
    )
    lengths = [len(arrays["speech"][name]) for name in "abc"]
    assert lengths == [min(n, max_frames or n) for n in (1, 4, 5)]
    if max_frames:
        assert cut["speech"] == (n_cut, pytest.approx(share))
    else:
        assert cut == {}
