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

#: results/scores/scores.parquet: one row per metric of a system or a trivial baseline. A null fold or
#: seed means "over all of them": a mean with its interval. Facts of training (selected epoch, loss,
#: batch size, tokens, time) are metrics too, since papers print them beside scores, in one row.
SCORES = pa.schema(
    [
        pa.field("paper", pa.string(), nullable=False),
        pa.field("system", pa.string(), nullable=False),
        pa.field("corpus", pa.string(), nullable=False),
        # Origin of the corpus: demo, official or folder.
        pa.field("source", pa.string(), nullable=False),
        pa.field("protocol", pa.string(), nullable=False),
        # Features and pre-trained models; null: a baseline.
        pa.field("inputs", pa.string()),
        pa.field("n_classes", pa.int32(), nullable=False),
        pa.field("multi_label", pa.bool_(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("fold", pa.int32()),
        pa.field("seed", pa.int32()),
        pa.field("metric", pa.string(), nullable=False),
        # A class, an ordered pair of classes, or a stage of a network; null: all of them.
        pa.field("class", pa.string()),
        pa.field("value", pa.float64(), nullable=False),
        # Standard deviation over seeds.
        pa.field("std", pa.float64()),
        # Bootstrap interval over dialogues.
        pa.field("low", pa.float64()),
        pa.field("high", pa.float64()),
        # Utterances scored; 1 for facts that are not about utterances.
        pa.field("n", pa.int64(), nullable=False),
    ]
)

#: results/scores/differences.parquet: `first` minus `second`, two systems under one protocol, on the
#: test utterances that both predicted. With a null seed over all seeds, by paired bootstrap; with a
#: seed the accuracies of two runs, by McNemar's test.
DIFFERENCES = pa.schema(
    [
        pa.field("paper", pa.string(), nullable=False),
        pa.field("corpus", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("protocol", pa.string(), nullable=False),
        pa.field("first", pa.string(), nullable=False),
        pa.field("second", pa.string(), nullable=False),
        pa.field("seed", pa.int32()),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("class", pa.string()),
        pa.field("value", pa.float64(), nullable=False),
        pa.field("low", pa.float64()),
        pa.field("high", pa.float64()),
        # Two-sided; null: a single dialogue.
        pa.field("p", pa.float64()),
        # Of a seed: utterances that only one of the two runs classified correctly.
        pa.field("first_alone", pa.int64()),
        pa.field("second_alone", pa.int64()),
        pa.field("n", pa.int64(), nullable=False),
    ]
)

#: results/scores/gaps.parquet: score of a system on test under the protocol `first` minus its score
#: under `second`, over all seeds.
GAPS = pa.schema(
    [
        pa.field("paper", pa.string(), nullable=False),
        pa.field("system", pa.string(), nullable=False),
        pa.field("corpus", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("first", pa.string(), nullable=False),
        pa.field("second", pa.string(), nullable=False),
        # True: one test split, on the utterances that both predicted; false: two test splits.
        pa.field("paired", pa.bool_(), nullable=False),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("value", pa.float64(), nullable=False),
        pa.field("low", pa.float64()),
        pa.field("high", pa.float64()),
        # Two-sided; null: not paired, or a single dialogue.
        pa.field("p", pa.float64()),
        pa.field("n", pa.int64(), nullable=False),
    ]
)

#: results/scores/corpora.parquet: facts of a corpus under a protocol of a paper, from its labels and
#: splits alone: sizes, class balance, leakage.
CORPORA = pa.schema(
    [
        pa.field("paper", pa.string(), nullable=False),
        pa.field("corpus", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("protocol", pa.string(), nullable=False),
        pa.field("fact", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("class", pa.string()),
        pa.field("value", pa.float64(), nullable=False),
        # Utterances of the split in scope, all folds together.
        pa.field("n", pa.int64(), nullable=False),
    ]
)
