"""Columns of every Parquet artifact: the contracts between the steps.

There is one schema per kind of file. ``merflow.store`` reads and writes these only.
"""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

#: data/corpora/<corpus>/utterances.parquet: one row per utterance that the annotations name.
UTTERANCES = pa.schema(
    [
        pa.field("utterance_id", pa.string(), nullable=False),
        pa.field("dialogue_id", pa.string(), nullable=False),
        # order inside the dialogue; MELD has gaps
        pa.field("turn", pa.int32(), nullable=False),
        pa.field("speaker", pa.string(), nullable=False),
        pa.field("session", pa.string()),
        pa.field("text", pa.string()),
        # relative to data/raw/<corpus>; null: no usable clip
        pa.field("clip", pa.string()),
        # span inside the clip; null: the clip is the utterance
        pa.field("start_s", pa.float64()),
        pa.field("end_s", pa.float64()),
        # file of the utterance's audio, relative to data/raw/<corpus>; null: the clip's audio
        pa.field("audio_clip", pa.string()),
        # class names; more than one in a multi-label corpus, empty: out of scope
        pa.field("labels", pa.list_(pa.string()), nullable=False),
        pa.field("official_split", pa.string()),
        # place in the original recording (episode and times), for the leakage audit
        pa.field("origin", pa.string()),
    ]
)

#: data/corpora/<corpus>/clips.parquet: one row per utterance with a usable clip. Decoding reads
#: this table and no other, so that an edited text or label decodes nothing again.
CLIPS = pa.schema(
    [
        pa.field("utterance_id", pa.string(), nullable=False),
        pa.field("clip", pa.string(), nullable=False),
        pa.field("start_s", pa.float64()),
        pa.field("end_s", pa.float64()),
        pa.field("audio_clip", pa.string()),
    ]
)

#: data/corpora/<corpus>/splits.parquet: the split of each utterance, per scheme and fold. An
#: utterance without a row is out of scope. A scheme may have one row per label of an utterance
#: (merflow.corpora.schemes); then ``label`` names the only label that counts in the row.
SPLITS = pa.schema(
    [
        pa.field("utterance_id", pa.string(), nullable=False),
        pa.field("scheme", pa.string(), nullable=False),
        pa.field("fold", pa.int32(), nullable=False),
        pa.field("split", pa.string(), nullable=False),  # train, dev or test
        pa.field("label", pa.string()),  # null: all labels of the utterance count
    ]
)


Medium = Literal["audio", "frames", "text"]


@dataclass(frozen=True)
class Defect:
    """A fault of a corpus and the action taken.

    Attributes:
        utterance_id: None for a file that belongs to no utterance.
        kind: name of the fault, the same for all utterances that have it.
        detail: values of the fault in this utterance or file.
        action: treatment of the utterance or file.
        medium: damaged or lost medium; None for a fault of the whole clip, or of labels, splits,
            counts or extra files.
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

SAMPLING_RATE = 16_000  # Hz, of all stored audio

#: data/media/<corpus>/audio/: one row per utterance with audio, mono 16-bit FLAC at SAMPLING_RATE.
AUDIO = pa.schema(
    [
        pa.field("utterance_id", pa.string(), nullable=False),
        pa.field("n_samples", pa.int64(), nullable=False),
        pa.field("values", pa.large_binary(), nullable=False),
    ]
)

#: data/media/<corpus>/frames_*/: one row per frame, JPEG.
FRAMES = pa.schema(
    [
        pa.field("utterance_id", pa.string(), nullable=False),
        pa.field("frame", pa.int32(), nullable=False),  # number in the utterance, from 0
        pa.field("time_s", pa.float64(), nullable=False),  # since the utterance's start
        pa.field("values", pa.large_binary(), nullable=False),
    ]
)

#: data/features/<corpus>/<feature>.parquet: one row per utterance that has the modality. ``values``
#: is a C-order (n_frames, dim) array; ``dim``, ``dtype`` and the provenance are file metadata.
FEATURES = pa.schema(
    [
        pa.field("utterance_id", pa.string(), nullable=False),
        pa.field("n_frames", pa.int32(), nullable=False),
        pa.field("values", pa.large_binary(), nullable=False),
    ]
)

#: results/<paper>/<system>/<corpus>-<protocol>/predictions.parquet: one row per utterance, fold and
#: seed. File metadata: ``classes``, the order of the probabilities.
PREDICTIONS = pa.schema(
    [
        pa.field("utterance_id", pa.string(), nullable=False),
        pa.field("fold", pa.int32(), nullable=False),
        pa.field("seed", pa.int32(), nullable=False),
        pa.field("split", pa.string(), nullable=False),  # dev or test
        pa.field("labels", pa.list_(pa.string()), nullable=False),
        pa.field("predicted", pa.list_(pa.string()), nullable=False),
        pa.field("probabilities", pa.list_(pa.float32()), nullable=False),
        # weight of each input that run.json's ``attention`` names, sum 1; null: no attention
        pa.field("attention", pa.list_(pa.float32())),
    ]
)

#: results/scores/scores.parquet: one row per metric of a system or a trivial baseline. A null fold
#: or seed means "over all of them": a mean with its interval. Facts of training (selected epoch,
#: loss, batch size, tokens, time) are metrics too, since papers print them beside scores.
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
        # Mean and standard deviation over folds; null: one fold, or the row is not over all folds.
        pa.field("fold_mean", pa.float64()),
        pa.field("fold_std", pa.float64()),
        # Utterances scored; 1 for facts that are not about utterances.
        pa.field("n", pa.int64(), nullable=False),
    ]
)

#: results/scores/differences.parquet: `first` minus `second`, two systems under one protocol, on
#: the test utterances that both predicted. A null seed means all seeds, compared by a paired
#: bootstrap. With a seed, McNemar's test compares the accuracies of two runs.
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
        # The same, corrected for the number of pairs (merflow.evaluation.corrections).
        pa.field("p_corrected", pa.float64()),
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
        # The same, corrected for the number of systems.
        pa.field("p_corrected", pa.float64()),
        pa.field("n", pa.int64(), nullable=False),
    ]
)

#: results/scores/corpora.parquet: facts of a corpus under a protocol of a paper, from its labels
#: and splits alone: sizes, class balance, leakage.
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
