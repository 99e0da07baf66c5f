"""A corpus of one's own, small clips of tones, colours and words, through the steps of the pipeline up to trained systems with weights."""

import json
from pathlib import Path

from merflow.corpora.prepare import prepare
from merflow.features.extract import extract_shard
from merflow.media.step import assemble, decode_shard
from merflow.paths import Inputs
from merflow.predict.model import DECODER
from merflow.provenance import digest
from merflow.registry import EXTRACTORS, PAPERS
from merflow.training.gather import gather
from merflow.training.job import Job
from merflow.training.run import train
from support import tiny_clips
from support.tiny_checkpoint import save_tiny_bert
from support.tiny_systems import SPEECH_SYSTEM, TEXT_SYSTEM
from support.tiny_vision import SIZE, save_tiny_swin

LABELS = {
    "glad": (250.0, "so great !"),
    "cross": (700.0, "you are angry"),
    "low": (1900.0, "sad oh"),
}
FEATURES = {
    "is13": {"feature_set": "eGeMAPSv02", "level": "functionals"},
    "bert": {"max_tokens": 16, "output": "tokens"},
}
HOW = {"scheme": {}, "select": "dev", "seeds": [1, 2]}
ONCE = {
    "batch_size": 8,
    "learning_rate": 0.01,
    "weight_decay": 0.0,
    "epochs": 2,
    "schedule": "constant",
    "warmup": 0.0,
    "patience": None,
}
LSTM = {
    "widths": [2],
    "maps": 4,
    "text_dim": 6,
    "sequence": "positions",
    "lstm": 6,
    "hidden": [8, 8],
    "dropout": 0.0,
}
VIDEO = {
    "compress_after": [1],
    "selection": "threshold",
    "gamma": 1.0,
    "keep": 0.5,
    "merge": True,
    "alpha": 0.9,
    "tau": 1.0,
}
VIDEO |= {
    "pretrained": True,
    "channels": [8],
    "kernel": 2,
    "projection": 8,
    "hidden": [8],
    "dropout": 0.0,
}
VIDEO |= {"alpha_ce": 1.0, "beta_cl": 0.5, "contrast_tau": 0.5}
SYSTEMS = {  # paper, system -> settings, inputs by name
    ("joint_cnn", "speech_cnn"): (SPEECH_SYSTEM, ["is13"]),
    ("joint_cnn", "text_lstm"): ({"network": LSTM, "training": ONCE}, ["bert"]),
    ("joint_cnn", "unimodal_weighted"): (
        {"weights": "dev", "step": 0.1},
        ["text_lstm", "speech_cnn"],
    ),
    ("weighted_late_fusion", "text_bert_16_context"): (
        TEXT_SYSTEM | {"inputs": {"tokens": {"max_tokens": 32, "context": 2}}, "training": ONCE},
        ["checkpoint bert"],
    ),
    ("deepmsi_mer", "text"): (TEXT_SYSTEM | {"training": ONCE}, ["checkpoint bert"]),
    ("deepmsi_mer", "text_video"): (
        {"inputs": {"frames_15": {"frames": 2, "size": SIZE}}, "network": VIDEO, "training": ONCE},
        ["checkpoint swin", "frames_15", "text"],
    ),
}


def build(root: Path) -> Path:
    """clips/, clips.csv, data/ and results/: 27 utterances of three speakers, in dialogues of three; every clip one third of a second."""
    (root / "clips").mkdir()
    rows = ["clip,text,label,speaker,dialogue,split"]
    for number in range(27):
        label, speaker = list(LABELS)[number % 3], "abc"[number // 9]
        hz, text = LABELS[label]
        samples = tiny_clips.tone(16_000 // 3 + number, 16_000, 1, hz + number)
        clip = root / "clips" / f"{number:02}.mp4"
        tiny_clips.write(clip, n_frames=8, rate=16_000, samples=samples)
        rows.append(f"{number:02}.mp4,{text},{label},{speaker},d{number // 3},")
    (root / "clips.csv").write_text("\n".join(rows) + "\n")
    prepare(
        "mine", str(root / "clips"), root / "clips", root / "data/corpora/mine", root / "clips.csv"
    )
    decode(root)
    for number, (name, save) in enumerate({"bert": save_tiny_bert, "swin": save_tiny_swin}.items()):
        folder = save(root / "data/checkpoints" / name)
        (folder / "SOURCE.json").write_text(
            json.dumps(
                {"name": f"tiny {name}", "place": "folder", "sha256": str(number) * 64, "files": {}}
            )
        )
    for name, params in FEATURES.items():
        inputs = [
            root / "data/corpora/mine/utterances.parquet",
            root / "data/checkpoints/bert/SOURCE.json",
        ]
        inputs = inputs if name == "bert" else [root / "data/media/mine/audio/INDEX.json"]
        code = digest("merflow.features.extract", EXTRACTORS[name])
        extract_shard(
            name, params, code, Inputs.of(inputs), 0, 1, root / f"data/features/mine/{name}.parquet"
        )
    for paper, system in SYSTEMS:
        trained(root, paper, system)
    return root


def decode(root: Path) -> None:
    """The clips' media."""
    media, code = {"short_side": 64, "jpeg_quality": 95}, digest(DECODER)
    decode_shard(
        root / "data/corpora/mine/utterances.parquet",
        root / "clips",
        media,
        code,
        0,
        1,
        root / "shard/DONE.json",
    )
    assemble([root / "shard"], root / "data/media/mine")


def trained(
    root: Path, paper: str, system: str, protocol: str = "clean", keep_weights: bool = True
) -> Path:
    """Results of a system."""
    settings, inputs = SYSTEMS[paper, system]
    prepared = root / "data/corpora/mine"
    paths = {
        f"checkpoint {name}": root / f"data/checkpoints/{name}/SOURCE.json"
        for name in ("bert", "swin")
    }
    paths |= {name: root / f"data/features/mine/{name}.parquet" for name in FEATURES}
    paths |= {"frames_15": root / "data/media/mine/frames_15/INDEX.json"}
    files = [
        paths.get(name, root / f"results/{paper}/{name}/mine-{protocol}/predictions.parquet")
        for name in inputs
    ]
    job = Job(
        paper=paper,
        system=system,
        corpus="mine",
        protocol=protocol,
        params=settings,
        protocol_params=HOW,
        features={"text": "bert", "speech": "is13"} if paper == "joint_cnn" else {},
        n_classes=None,
        precision="fp32",
        keep_weights=keep_weights,
        code=digest("merflow.training.run", PAPERS[paper]),
        inputs=Inputs.of([prepared / "utterances.parquet", prepared / "splits.parquet", *files]),
    )
    train(job, 0, 1, root / "part" / f"{paper}-{system}-{protocol}")
    gather(
        [root / "part" / f"{paper}-{system}-{protocol}"],
        root / f"results/{paper}/{system}/mine-{protocol}",
    )
    return root / f"results/{paper}/{system}/mine-{protocol}"
