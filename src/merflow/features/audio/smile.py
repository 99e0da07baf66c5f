"""openSMILE functionals per utterance, or low-level descriptors (LLD) per frame.

``IS13_ComParE`` functionals are the 6373 speech features of joint_cnn section 3.2.
``ComParE_2016`` has the same 6373 names in the same order, with other values. Both have 65 LLDs.
``eGeMAPSv02`` has 88 functionals and 25 LLDs.

LLDs have one row per 10 ms: (n_samples - 960) // 160 + 2 rows, the first at 0 s. Windows are 20 or
60 ms long, and the values are smoothed over three rows.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import opensmile

from merflow.artifacts import SAMPLING_RATE
from merflow.features.sources import AudioSource
from merflow.params import SmileParams

SOURCE = AudioSource
PARAMS = SmileParams
LIBRARIES = ("opensmile",)
USES_GPU = False

SETS = {
    "IS13_ComParE": opensmile.FeatureSet.IS13,
    "ComParE_2016": opensmile.FeatureSet.ComParE_2016,
    "eGeMAPSv02": opensmile.FeatureSet.eGeMAPSv02,
}
LEVELS = {
    "functionals": opensmile.FeatureLevel.Functionals,
    "lld": opensmile.FeatureLevel.LowLevelDescriptors,
}


def extract(
    blocks: Iterable[Sequence[np.ndarray]], params: SmileParams, checkpoint: Path | None = None
) -> Iterator[np.ndarray]:
    """Yield functionals (1, n_functionals) or LLDs (n_frames, n_lld) of each waveform.

    The values equal the package's ``process_signal`` bit for bit. The package scales waveforms to
    16 bit, so audio of a 16-bit file has the values of ``process_file`` too.

    Args:
        blocks: waveforms, float32 (n_samples,) at 16 kHz.
        params: feature set and level.
        checkpoint: not used.

    Yields:
        float32, in the order of the waveforms.
    """
    smile = _smile(params)
    for waveforms in blocks:
        for waveform in waveforms:
            # process_signal without its data frame: (1, n_columns, n_rows)
            values = smile(waveform, SAMPLING_RATE)
            yield np.ascontiguousarray(values[0].T, dtype=np.float32)


def columns(params: SmileParams, checkpoint: Path | None = None) -> list[str]:
    """Name the columns as the package does."""
    return list(_smile(params).feature_names)


def _smile(params: SmileParams) -> opensmile.Smile:
    return opensmile.Smile(SETS[params.feature_set], LEVELS[params.level])
