"""The command line: one subcommand per rule, with the rule's name, plus `params`, `status`, `stores`, `own` and `predict`.

Steps get their slice of params.yaml as canonical JSON (``--params``) and every path as an argument: no step
reads what it was not handed. Modules are imported inside the subcommands, so that `merflow tables` starts without torch.
"""

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from merflow import params as parameters
from merflow import presets, usage
from merflow.errors import ERRORS, MerflowError
from merflow.gpus import relaunch, take
from merflow.progress import configure, first_process

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help=__doc__.splitlines()[0] if __doc__ else None,
)

Slice = Annotated[str, typer.Option("--params", help="the stage's slice of params.yaml, as JSON")]
Out = Annotated[Path, typer.Option(help="file to make")]
Paths = Annotated[list[Path], typer.Argument(help="files to read")]
Shard = Annotated[int, typer.Option(min=0, help="number of the shard")]
Shards = Annotated[int, typer.Option(min=1, help="of so many")]
Gpus = Annotated[
    int, typer.Option(min=0, help="take so many GPUs that no other job has; 0: whichever there is")
]


def account(_: object, log: Path | None, **__: object) -> None:
    """Write beside its log what a job took that ended well."""
    if log and first_process():
        usage.write(log.with_suffix(".tsv"))


@app.callback(result_callback=account)
def common(
    log: Annotated[
        Path | None,
        typer.Option(
            help="also write messages to this file, and beside it, as .tsv, what the job took"
        ),
    ] = None,
    threads: Annotated[int, typer.Option(help="threads of numeric libraries", min=1)] = 1,
) -> None:
    """Five multimodal-emotion-recognition papers, rebuilt from raw video to result tables."""
    configure(log if first_process() else None)
    if not first_process():
        logging.disable(logging.INFO)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)


@app.command("params")
def params_(
    preset: Annotated[str, typer.Argument(help="demo or paper")],
    patch: Annotated[
        Path | None, typer.Option("--with", help="a merge patch of your own to lay over it")
    ] = None,
    corpora: Annotated[
        list[str] | None, typer.Option(help="run this corpus only; give it once for each")
    ] = None,
    papers: Annotated[
        list[str] | None, typer.Option(help="run this paper only; give it once for each")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="overwrite a params.yaml that was edited")
    ] = False,
) -> None:
    """Compose params.yaml from params/paper.yaml (and params/demo.yaml, a patch of your own, and what of it is to run)."""
    from merflow.selection import axes, stages_at, write_matrix
    from merflow.store import write_text

    path, stages = Path("params.yaml"), stages_at(Path())
    text = presets.compose(
        preset, patch=patch, filters={"corpora": corpora or [], "papers": papers or []}
    )
    if path.exists() and not force:
        there = path.read_text(encoding="utf-8")
        known = [
            presets.compose(one, patch=over, filters=presets.filters(there))
            for one in ("demo", "paper")
            for over in {None, patch}
        ]
        if there not in known:
            raise parameters.ParamsError(
                f"{path} was edited; keep your copy, or add --force to overwrite it"
            )
    name = f"the {preset} preset" + (f" with {patch}" if patch else "")
    checked = parameters.check(text, name)
    selected = axes(checked.model_dump(), stages)
    write_text(path, text)
    write_matrix(Path(), selected)
    print(
        f"params.yaml is now {name}: {', '.join(selected['corpora'])}; {', '.join(checked.run.papers)}"
    )


@app.command()
def status() -> None:
    """What is at hand, what the next run would do, and what is missing."""
    from merflow.status import show

    show(Path())


@app.command()
def stores() -> None:
    """Decoded media and feature stores at hand: size, cost, defects."""
    from merflow.stores import show

    show(Path())


@app.command()
def own(
    name: Annotated[str, typer.Argument(help="of the corpus: small letters, digits and _")],
    folder: Annotated[Path, typer.Argument(help="your clips")],
    example: Annotated[
        bool,
        typer.Option(
            "--example", help="make an example: clips in the folder, annotations filled in"
        ),
    ] = False,
) -> None:
    """Clips of your own: NAME.csv to fill in, and, when it is, NAME.yaml: what params.yaml must say of them."""
    from merflow.custom_corpus import prepare as step

    step(name, folder, example)


@app.command()
def predict(
    target: Annotated[Path, typer.Argument(help="a clip, or a folder of clips")],
    model: Annotated[
        Path, typer.Option(help="results/<paper>/<system>/<corpus>-<protocol>, with weights")
    ],
    text: Annotated[
        str | None, typer.Option(help="what is said in the clip; or a .txt file beside each clip")
    ] = None,
    annotations: Annotated[
        Path | None,
        typer.Option(
            help="CSV with columns clip and text, and dialogue where turns belong together"
        ),
    ] = None,
    fold: Annotated[
        int | None,
        typer.Option(help="runs of this fold only; else the mean of all whose weights were kept"),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="runs of this seed only")] = None,
    checkpoints: Annotated[Path, typer.Option(help="folder of pre-trained models")] = Path(
        "data/checkpoints"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
    despite_changes: Annotated[
        bool,
        typer.Option("--despite-changes", help="code or libraries may be others than at training"),
    ] = False,
) -> None:
    """Class probabilities of new clips by a trained model."""
    from merflow.predict.show import predict as step
    from merflow.predict.show import show

    answer = step(target, model, checkpoints, text, annotations, fold, seed, despite_changes)
    show(answer, as_json)
    if not answer["predictions"]:
        raise typer.Exit(1)


@app.command()
def fetch(
    corpus: str,
    params: Slice,
    scratch: Annotated[Path, typer.Option(help="folder for partial downloads")],
    out: Out,
) -> None:
    """Download and unpack a corpus, make its demo, or copy it from a folder."""
    from merflow.corpora.fetch import fetch as step

    values = parameters.slice_of(params)
    step(corpus, values[f"corpora.{corpus}.source"], out.parent, scratch, Path("data/digests"))


@app.command()
def prepare(
    corpus: str,
    params: Slice,
    raw: Annotated[Path, typer.Option(help="SOURCE.json of the corpus")],
    out: Out,
) -> None:
    """Read a corpus: utterances, splits, defects."""
    from merflow.corpora.prepare import prepare as step

    values = parameters.slice_of(params)
    block = parameters.CorpusParams(**values[f"corpora.{corpus}"])
    annotations = Path(block.annotations).expanduser() if block.annotations else None
    step(corpus, block.source, raw.parent, out.parent, annotations)


@app.command()
def checkpoint(
    name: str,
    params: Slice,
    scratch: Annotated[Path, typer.Option(help="folder for partial downloads")],
    out: Out,
) -> None:
    """Download, link or make a pre-trained model or word vectors."""
    from merflow.checkpoints.fetch import fetch as step

    values = parameters.slice_of(params)
    step(name, values[f"checkpoints.{name}"], out.parent, scratch, Path("data/digests"))


@app.command()
def decode(inputs: Paths, params: Slice, shard: Shard, shards: Shards, out: Out) -> None:
    """Decode the clips of one shard: sound and two samplings of pictures."""
    from merflow.media.step import decode_shard

    values = parameters.slice_of(params)
    raw, utterances = _named(inputs, "SOURCE.json").parent, _named(inputs, "utterances.parquet")
    decode_shard(utterances, raw, values["media"], values["code"], shard, shards, out)


@app.command()
def assemble(shards: Paths, out: Out) -> None:
    """Put the decoded shards of a corpus in one place."""
    from merflow.media.step import assemble as step

    step([shard.parent for shard in shards], out.parent.parent)


@app.command()
def extract(
    feature: str,
    inputs: Paths,
    params: Slice,
    shard: Shard,
    shards: Shards,
    out: Out,
    gpus: Gpus = 0,
) -> None:
    """Extract a feature of one shard of a corpus' utterances."""
    take(gpus)
    from merflow.features.extract import extract_shard

    values = parameters.slice_of(params)
    extract_shard(
        feature, values[f"features.{feature}"], values["code"], inputs, shard, shards, out
    )


@app.command()
def merge(shards: Paths, out: Out) -> None:
    """Join the shards of a feature store."""
    from merflow.features.extract import merge_shards

    merge_shards(shards, out)


@app.command()
def train(
    paper: str,
    system: str,
    corpus: str,
    protocol: str,
    params: Slice,
    part: Annotated[int, typer.Option(min=0, help="number of the job")],
    parts: Annotated[int, typer.Option(min=1, help="of so many that the runs are shared among")],
    inputs: Annotated[
        list[Path],
        typer.Option(
            help="prepared corpus, features, checkpoint, other systems; give it once for each file"
        ),
    ],
    out: Out,
    gpus: Gpus = 0,
) -> None:
    """Train one system on some folds and seeds, and predict; with several GPUs in a process for each."""
    take(gpus)
    relaunch(gpus)
    from merflow.training.job import Job
    from merflow.training.run import train as step

    values = parameters.slice_of(params)
    block = f"papers.{paper}"
    job = Job(
        paper=paper,
        system=system,
        corpus=corpus,
        protocol=protocol,
        params=values[f"{block}.systems.{system}"],
        protocol_params=values[f"{block}.protocols.{protocol}"],
        features=values.get(f"{block}.features", {}),
        n_classes=values.get(f"{block}.classes", {}).get(corpus),
        precision=values["training"]["precision"],
        keep_weights=values[f"{block}.keep_weights"],
        code=values["code"],
        inputs=inputs,
    )
    step(job, part, parts, out)


@app.command()
def gather(parts: Paths, out: Out) -> None:
    """Join the folds and seeds of one system."""
    from merflow.training.gather import gather as step

    step(parts, out.parent)


@app.command()
def score(inputs: Paths, params: Slice, out: Out) -> None:
    """Score all predictions, with intervals and trivial baselines."""
    from merflow.evaluation.score import score as step

    values = parameters.slice_of(params)
    results, prepared = (
        _folders(inputs, name) for name in ("predictions.parquet", "utterances.parquet")
    )
    step(
        results,
        prepared,
        parameters.EvaluationParams(**values["evaluation"]),
        out,
        parameters.expected_results(values),
    )


@app.command()
def tables(inputs: Paths, params: Slice, out: Out) -> None:
    """Build the result tables: printed beside ours."""
    from merflow.tables.compare import build

    values = parameters.slice_of(params)
    reported = next(path.parent for path in inputs if path.parent.name == "reported")
    build(
        _named(inputs, "scores.parquet"),
        reported,
        out.parent,
        values["run.papers"],
        values["run.corpora"],
    )


@app.command()
def sheet(corpus: str, inputs: Paths, out: Out) -> None:
    """Draw the frames of a few test clips with what a zero-shot system sees in them."""
    from merflow.tables.frame_sheet import write

    results = [
        folder
        for folder in _folders(inputs, "predictions.parquet")
        if folder.name.startswith(f"{corpus}-")
    ]
    store = next(path for path in inputs if path.parent.parent.name == "features")
    prepared, frames = (
        _named(inputs, "utterances.parquet").parent,
        _named(inputs, "INDEX.json").parent,
    )
    write(
        results[0], prepared, frames, store, out.parent
    )  # nothing is trained: under any protocol the same


@app.command()
def report(
    inputs: Paths,
    scratch: Annotated[Path, typer.Option(help="folder of pictures drawn before")],
    out: Out,
) -> None:
    """Write the report: one static folder of HTML."""
    from merflow.tables.report import write

    results, prepared, sheets = (
        _folders(inputs, name)
        for name in ("predictions.parquet", "utterances.parquet", "sheet.json")
    )
    write(_named(inputs, "index.json").parent, results, prepared, sheets, out.parent, scratch)


def _folders(files: list[Path], name: str) -> list[Path]:
    return sorted({file.parent for file in files if file.name == name})


def _named(files: list[Path], name: str) -> Path:
    return next(file for file in files if file.name == name)


def main() -> None:
    """Entry point: an error that a user can mend is one line and exit status 1."""
    try:
        app(prog_name="merflow")
    except MerflowError as error:
        print(f"error: {error}", file=sys.stderr)
        if noted := os.environ.get(ERRORS):
            with Path(noted).open("a", encoding="utf-8") as file:
                file.write(f"error: {error}\n")
        sys.exit(1)
