"""Custom corpus of small clips, through all steps up to systems with weights."""

import json
from pathlib import Path

from merflow.corpora.prepare import prepare
from merflow.features.extract import extract_shard
from merflow.media.step import assemble, decode_shard
from merflow.paths import Inputs
from merflow.predict.check import DECODE, EXTRACT, TRAIN
from merflow.provenance import digest
from merflow.registry import EXTRACTORS, PAPERS
from merflow.training.gather import gather
from merflow.training.job import Job
from merflow.training.run import train
from support import tiny_clips
from support.tiny_checkpoint import save_tiny_bert
from support.tiny_systems import SPEECH_SYSTEM, TEXT_SYSTEM
from support.tiny_vision import SIZE, save_tiny_clip, save_tiny_swin
from support.tiny_wav2vec2 import save_tiny_wav2vec2

CLASSES = ["angry", "happy", "sad"]  # in the order of probabilities
CLIPS = {  # label -> pitch in Hz, text
    "happy": (250.0, "so great !"),
    "angry": (700.0, "you are angry"),
    "sad": (1900.0, "sad oh"),
}
MEDIA = {"short_side": 64, "jpeg_quality": 95}
CHECKPOINTS = {
    "bert": save_tiny_bert,
    "swin": save_tiny_swin,
    "clip": save_tiny_clip,
    "wav2vec2": lambda folder: save_tiny_wav2vec2(folder, ["sad", "angry", "happy"]),
}
PROMPTS = {name: f"a photo of {name} person" for name in ("happy", "sad", "angry", "neutral")}
FEATURES = {  # name -> parameters, modality (a file of the corpus), checkpoint
    "is13": ({"feature_set": "eGeMAPSv02", "level": "functionals"}, "audio", None),
    "bert": ({"max_tokens": 16, "output": "tokens"}, "text", "bert"),
    "bert_mean": ({"max_tokens": 16, "output": "mean"}, "text", "bert"),
    "wav2vec2_emotion": ({"output": "probabilities"}, "audio", "wav2vec2"),
    "clip_emotion": ({"output": "probabilities", "prompts": PROMPTS}, "frames_every10", "clip"),
}
INPUTS = {  # paper -> input -> feature
    "joint_cnn": {"text": "bert", "speech": "is13"},
    "mel_cnn_bert": {"text": "bert_mean"},
}
PROTOCOL = {"scheme": {}, "select": "dev", "seeds": [1, 2]}
TRAINING = {"batch_size": 8, "learning_rate": 0.01, "weight_decay": 0.0, "epochs": 2}
TRAINING |= {"schedule": "constant", "warmup": 0.0, "patience": None}
TEXT = TEXT_SYSTEM | {"training": TRAINING}
LSTM = {"widths": [2], "maps": 4, "text_dim": 6, "sequence": "positions", "lstm": 6}
LSTM |= {"hidden": [8, 8], "dropout": 0.0}
VIDEO = {"compress_after": [1], "selection": "threshold", "gamma": 1.0, "keep": 0.5}
VIDEO |= {"guide": "learned", "guide_scale": 2.0}
VIDEO |= {"merge": True, "alpha": 0.9, "tau": 1.0, "pretrained": True, "channels": [8]}
VIDEO |= {"kernel": 2, "projection": 8, "hidden": [8], "dropout": 0.0}
VIDEO |= {"alpha_ce": 1.0, "beta_cl": 0.5, "contrast_tau": 0.5}
WITH_VIDEO = {
    "inputs": {"frames_15": {"frames": 2, "size": SIZE}},
    "network": VIDEO,
    "training": TRAINING,
}
SYSTEMS = {  # paper, system -> parameters, names of inputs
    ("joint_cnn", "speech_cnn"): (SPEECH_SYSTEM, ["is13"]),
    ("joint_cnn", "text_lstm"): ({"network": LSTM, "training": TRAINING}, ["bert"]),
    ("joint_cnn", "unimodal_weighted"): (
        {"weights": "dev", "step": 0.1},
        ["text_lstm", "speech_cnn"],
    ),
    ("weighted_late_fusion", "text_bert_16_context"): (
        TEXT | {"inputs": {"tokens": {"max_tokens": 32, "context": 2}}},
        ["checkpoint bert"],
    ),
    ("weighted_late_fusion", "text_roberta_16"): (TEXT, ["checkpoint bert"]),
    ("weighted_late_fusion", "audio_wav2vec2"): (
        {"pooling": "sum", "prior": "dev"},
        ["wav2vec2_emotion"],
    ),
    ("weighted_late_fusion", "video_clip"): ({"pooling": "max"}, ["clip_emotion"]),
    ("weighted_late_fusion", "late_fusion_calibrated"): (
        {"weights": "dev", "step": 0.5, "calibration": "temperature"},
        ["text_roberta_16", "audio_wav2vec2", "video_clip"],
    ),
    ("mel_cnn_bert", "text"): (
        {"network": {"text_dim": 6, "gru": 4, "dropout": 0.0}, "training": TRAINING},
        ["bert_mean"],
    ),
    ("deepmsi_mer", "text"): (TEXT, ["checkpoint bert"]),
    ("deepmsi_mer", "audio"): (
        {
            "inputs": {"waveform": {"max_seconds": 1}},
            "network": {"dropout": 0.0},
            "training": TRAINING,
        },
        ["checkpoint wav2vec2", "audio"],
    ),
    ("deepmsi_mer", "text_video"): (WITH_VIDEO, ["checkpoint swin", "frames_15", "text"]),
    ("deepmsi_mer", "audio_video"): (WITH_VIDEO, ["checkpoint swin", "frames_15", "of audio"]),
}


def build(root: Path) -> Path:
    """Make clips/, clips.csv, data/ and results/ in `root`.

    27 utterances of three speakers, in dialogues of three. A clip takes a third of a second.
    """
    (root / "clips").mkdir()
    rows = ["clip,text,label,speaker,dialogue,split"]
    for number in range(27):
        label, speaker = list(CLIPS)[number % 3], "abc"[number // 9]
        hz, text = CLIPS[label]
        samples = tiny_clips.tone(16_000 // 3 + number, 16_000, 1, hz + number)
        clip = root / "clips" / f"{number:02}.mp4"
        tiny_clips.write(clip, n_frames=8, rate=16_000, samples=samples)
        rows.append(f"{number:02}.mp4,{text},{label},{speaker},d{number // 3},")
    (root / "clips.csv").write_text("\n".join(rows) + "\n")
    clips, prepared = root / "clips", root / "data/corpora/mine"
    prepare("mine", str(clips), clips, prepared, root / "clips.csv")
    shard = root / "shard/DONE.json"
    decode_shard(prepared / "utterances.parquet", clips, MEDIA, digest(DECODE), 0, 1, shard)
    assemble([shard.parent], root / "data/media/mine")
    for number, (name, save) in enumerate(CHECKPOINTS.items()):
        card = {"name": f"tiny {name}", "place": "folder", "sha256": str(number) * 64, "files": {}}
        folder = save(root / "data/checkpoints" / name)
        (folder / "SOURCE.json").write_text(json.dumps(card))
    for name in FEATURES:
        extract(root, name)
    for paper, system in SYSTEMS:
        trained(root, paper, system)
    return root


def extract(root: Path, name: str) -> None:
    """Extract a feature of all clips."""
    params, modality, checkpoint = FEATURES[name]
    files = [root / f"data/media/mine/{modality}/INDEX.json"]
    if modality == "text":
        files = [root / "data/corpora/mine/utterances.parquet"]
    if checkpoint:
        files.append(root / f"data/checkpoints/{checkpoint}/SOURCE.json")
    code = digest(EXTRACT, EXTRACTORS[name])
    store = root / f"data/features/mine/{name}.parquet"
    extract_shard(name, params, code, Inputs.of(files), 0, 1, store)


def trained(
    root: Path, paper: str, system: str, protocol: str = "clean", keep_weights: bool = True
) -> Path:
    """Train a system; returns the folder of its results."""
    params, names = SYSTEMS[paper, system]
    result = f"results/{paper}/{{}}/mine-{protocol}"
    paths = {name: f"data/features/mine/{name}.parquet" for name in FEATURES}
    paths |= {f"checkpoint {name}": f"data/checkpoints/{name}/SOURCE.json" for name in CHECKPOINTS}
    paths |= {name: f"data/media/mine/{name}/INDEX.json" for name in ("audio", "frames_15")}
    paths |= {"of audio": f"{result.format('audio')}/predictions.parquet"}  # a medium has the name
    members = {name: f"{result.format(name)}/predictions.parquet" for name in names}
    files = [f"data/corpora/mine/{name}.parquet" for name in ("utterances", "splits")]
    files += [(members | paths)[name] for name in names]
    job = Job(
        paper=paper,
        system=system,
        corpus="mine",
        protocol=protocol,
        params=params,
        protocol_params=PROTOCOL,
        features=INPUTS.get(paper, {}),
        n_classes=None,
        precision="fp32",
        keep_weights=keep_weights,
        code=digest(TRAIN, PAPERS[paper]),
        inputs=Inputs.of([root / file for file in files]),
    )
    shard = root / "shard" / f"{paper}-{system}-{protocol}"
    folder = root / result.format(system)
    train(job, 0, 1, shard)
    gather([shard], folder)
    return folder
