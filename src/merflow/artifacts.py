"""The columns of every Parquet artifact: the contracts between the steps.

One schema per file kind; ``merflow.store`` reads and writes nothing that does not fit one of them.
"""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

#: data/corpora/<corpus>/utterances.parquet: one row per utterance that the annotations name.
UTTERANCES = pa.schema(
    [
        pa.field("utterance_id", pa.string(), nullable=False),
        pa.field("dialogue_id", pa.string(), nullable=False),
        pa.field(
            "turn", pa.int32(), nullable=False
        ),  # order inside the dialogue; gaps are possible (MELD)
        pa.field("speaker", pa.string(), nullable=False),
        pa.field("session", pa.string()),
        pa.field("text", pa.string()),
        pa.field("clip", pa.string()),  # relative to data/raw/<corpus>; null: no usable clip
        pa.field("start_s", pa.float64()),  # span inside the clip; null: the clip is the utterance
        pa.field("end_s", pa.float64()),
        pa.field(
            "labels", pa.list_(pa.string()), nullable=False
        ),  # names; several for MOSEI, none: out of scope
        pa.field("official_split", pa.string()),
        pa.field(
            "origin", pa.string()
        ),  # place in the original recording (episode and times), for the leakage audit
    ]
)

#: data/corpora/<corpus>/splits.parquet: who is train, dev or test, per scheme and fold; who is not here is out of scope. A scheme with a
#: row per label of an utterance (merflow.corpora.schemes) names it in ``label``: there it is the only one.
SPLITS = pa.schema(
    [
        pa.field("utterance_id", pa.string(), nullable=False),
        pa.field("scheme", pa.string(), nullable=False),
        pa.field("fold", pa.int32(), nullable=False),
        pa.field("split", pa.string(), nullable=False),  # train, dev or test
        pa.field(
            "label", pa.string()
        ),  # the one that counts in this row; null: all that the utterance has
    ]
)


Medium = Literal["audio", "frames", "text"]


@dataclass(frozen=True)
class Defect:
    """Something wrong in a corpus and what was done about it.

    Attributes:
        utterance_id: None for a file that belongs to no utterance.
        kind: short name, the same for all defects of this kind.
        detail: numbers, names and reasons.
        action: what the step did.
        medium: the medium that is damaged or lost; None where the defect concerns the whole clip,
            or no medium at all: labels, splits, counts, extra files.
    """

    utterance_id: str | None
    kind: str
    detail: str
    action: str
    medium: Medium | None = None


#: data/corpora/<corpus>/defects.csv and data/media/<corpus>/defects.csv: one row per Defect.
DEFECTS = pa.schema(
    [
        pa.field("utterance_id", pa.string()),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
        pa.field("action", pa.string(), nullable=False),
        pa.field("medium", pa.string()),
    ]
)

SAMPLING_RATE = 16_000  # Hz, of all sound that is kept

#: data/media/<corpus>/audio/: one row per utterance with sound, mono 16-bit FLAC at SAMPLING_RATE.
AUDIO = pa.schema(
    [
        pa.field("utterance_id", pa.string(), nullable=False),
        pa.field("n_samples", pa.int64(), nullable=False),
        pa.field("values", pa.large_binary(), nullable=False),
    ]
)

#: data/media/<corpus>/frames_*/: one row per picture, JPEG.
FRAMES = pa.schema(
    [
        pa.field("utterance_id", pa.string(), nullable=False),
        pa.field("frame", pa.int32(), nullable=False),  # of the utterance, from 0
        pa.field("time_s", pa.float64(), nullable=False),  # since the utterance's start
        pa.field("values", pa.large_binary(), nullable=False),
    ]
)

#: data/features/<corpus>/<feature>.parquet: one row per utterance; ``values`` is a C-order (n_frames, dim) array.
#: ``dim``, ``dtype`` and the specification are file metadata. An utterance without the modality is not here.
FEATURES = pa.schema(
    [
        pa.field("utterance_id", pa.string(), nullable=False),
        pa.field("n_frames", pa.int32(), nullable=False),
        pa.field("values", pa.large_binary(), nullable=False),
    ]
)

#: results/<paper>/<system>/<corpus>-<protocol>/predictions.parquet; file metadata: ``classes``, the order of probabilities.
PREDICTIONS = pa.schema(
    [
        pa.field("utterance_id", pa.string(), nullable=False),
        pa.field("fold", pa.int32(), nullable=False),
        pa.field("seed", pa.int32(), nullable=False),
        pa.field("split", pa.string(), nullable=False),  # dev or test
        pa.field("labels", pa.list_(pa.string()), nullable=False),
        pa.field("predicted", pa.list_(pa.string()), nullable=False),
        pa.field("probabilities", pa.list_(pa.float32()), nullable=False),
        pa.field(
            "attention", pa.list_(pa.float32())
        ),  # weight of each of run.json's ``attention``, sum 1; null: it weighs nothing
    ]
)

#: results/scores.parquet: one row per metric; a null fold or seed means "over all of them" (mean, with its interval). Which rows there
#: are: merflow.evaluation.score.
SCORES = pa.schema(
    [
        pa.field("paper", pa.string(), nullable=False),
        pa.field("system", pa.string(), nullable=False),
        pa.field("corpus", pa.string(), nullable=False),
        pa.field(
            "source", pa.string(), nullable=False
        ),  # demo, official or folder: where the corpus came from
        pa.field("protocol", pa.string(), nullable=False),
        pa.field(
            "inputs", pa.string()
        ),  # features and pre-trained models of a system; null: baselines, differences, corpus
        pa.field("classes", pa.int32(), nullable=False),  # how many are told apart
        pa.field("split", pa.string(), nullable=False),
        pa.field("fold", pa.int32()),
        pa.field("seed", pa.int32()),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("class", pa.string()),
        pa.field("value", pa.float64(), nullable=False),
        pa.field("std", pa.float64()),  # standard deviation over seeds
        pa.field("low", pa.float64()),  # bootstrap interval over dialogues
        pa.field("high", pa.float64()),
        pa.field(
            "p", pa.float64()
        ),  # of differences between two systems, two-sided: paired bootstrap over dialogues; of a seed McNemar's
        pa.field(
            "n", pa.int64(), nullable=False
        ),  # utterances scored; 1 for what is none of utterances (epoch, settings)
    ]
)
