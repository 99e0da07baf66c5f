"""openSMILE: statistics of a whole utterance (functionals), or low-level descriptors (LLD) per frame.

``IS13_ComParE`` functionals are the 6373 speech features of joint_cnn section 3.2. ``ComParE_2016`` has the same 6373 names in
the same order and other values; ``eGeMAPSv02`` has 88 functionals and 25 LLDs, the other two have 65 LLDs.

LLDs: one row per 10 ms, starting at 0 s, as long as a window of 60 ms fits, and one more: (n_samples - 960) // 160 + 2 rows.
Windows are 20 or 60 ms long; the values are smoothed over three rows.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import opensmile

from merflow.artifacts import SAMPLING_RATE
from merflow.features.sources import Sounds
from merflow.params import SmileParams

SOURCE = Sounds
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
    """(1, n_functionals) or (n_frames, n_lld) of each sound, bit for bit what the package's own ``process_signal`` gives.

    Sounds are scaled to 16 bit by the package, so a sound of a 16-bit file has the values of ``process_file`` too.

    Args:
        blocks: sounds, float32 (n_samples,) at 16 kHz.
        params: feature set and level.
        checkpoint: not used.

    Yields:
        float32, in the order of the sounds.
    """
    smile = _smile(params)
    for sounds in blocks:
        for sound in sounds:
            values = smile(
                sound, SAMPLING_RATE
            )  # (1, n_columns, n_rows): process_signal without its data frame
            yield np.ascontiguousarray(values[0].T, dtype=np.float32)


def columns(params: SmileParams, checkpoint: Path | None = None) -> list[str]:
    """The package's names."""
    return list(_smile(params).feature_names)


def _smile(params: SmileParams) -> opensmile.Smile:
    return opensmile.Smile(SETS[params.feature_set], LEVELS[params.level])
