"""The command line: a subcommand per rule, `params`, `status`, `stores`, `own` and `predict`.

Steps get their slice of params.yaml as canonical JSON (``--params``) and every path as an argument.
A step reads nothing that it was not handed. Modules are imported inside the subcommands, so that
`merflow tables` starts without torch.
"""

import logging
import os
from pathlib import Path
from typing import Annotated

import typer

from merflow import params as parameters
from merflow import paths, preconditions, presets, usage
from merflow.gpus import relaunch, take
from merflow.params import yaml_text
from merflow.paths import Inputs
from merflow.predict.command import ModelOptional
from merflow.progress import configure, first_process

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help=__doc__.splitlines()[0] if __doc__ else None,
)

Slice = Annotated[str, typer.Option("--params", help="the stage's slice of params.yaml, as JSON")]
Out = Annotated[Path, typer.Option(help="file to make")]
Files = Annotated[list[Path], typer.Argument(help="inputs of the stage")]
Shards = Annotated[list[Path], typer.Argument(help="what the jobs of the shards made, in order")]
Shard = Annotated[int, typer.Option(min=0, help="number of the shard, from 0")]
NShards = Annotated[int, typer.Option(min=1, help="number of shards")]
Gpus = Annotated[int, typer.Option(min=0, help="number of GPUs to reserve; 0: no reservation")]
Scratch = Annotated[Path, typer.Option(help="folder for partial downloads")]


def account(_: object, log: Path | None, **__: object) -> None:
    """Write time and memory of a job that ended well beside its log."""
    if log and first_process():
        usage.write(log.with_suffix(".tsv"))


@app.callback(result_callback=account)
def common(
    log: Annotated[
        Path | None,
        typer.Option(help="also write messages to this file; time and memory beside it, as .tsv"),
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
        list[str] | None, typer.Option(help="run this corpus only; may be given several times")
    ] = None,
    papers: Annotated[
        list[str] | None, typer.Option(help="run this paper only; may be given several times")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="overwrite a params.yaml that differs from the presets")
    ] = False,
) -> None:
    """Compose params.yaml from a preset, a patch of your own, and filters.

    The filters say what to run.
    """
    from merflow.selection import axes, stages_at, write_matrix
    from merflow.store import write_text

    preconditions.check_folder(Path())
    path, stages = Path("params.yaml"), stages_at(Path())
    filters = {"corpora": corpora or [], "papers": papers or []}
    text = presets.compose(preset, patch=patch, filters=filters)
    if path.exists() and not force and _edited(path, patch):
        raise parameters.ParamsError(
            f"{path} differs from both presets: it was edited, or a preset has changed;"
            " keep your copy, or add --force to overwrite it"
        )
    name = f"the {preset} preset" + (f" with {patch}" if patch else "")
    checked = parameters.check(text, name)
    selected = axes(checked.model_dump(), stages)
    write_text(path, text)
    write_matrix(Path(), selected)
    what = f"{', '.join(selected['corpora'])}; {', '.join(checked.run.papers)}"
    print(f"params.yaml is now {name}: {what}")


def _edited(path: Path, patch: Path | None) -> bool:
    """Tell whether params.yaml is none of the presets, with `patch` or without, and its filters."""
    text = yaml_text.read(path, "make it with `merflow params demo`")
    filters = presets.filters(text)
    return all(
        text != presets.compose(preset, patch=layer, filters=filters)
        for preset in ("demo", "paper")
        for layer in {None, patch}
    )


@app.command()
def status() -> None:
    """Show which corpora and models are present, what is missing, and what would run next."""
    from merflow.status import show

    preconditions.check_folder(Path())
    show(Path())


@app.command()
def stores() -> None:
    """Show decoded media and feature stores: size, cost, defects."""
    from merflow.stores import show

    preconditions.check_folder(Path())
    show(Path())


@app.command()
def own(
    name: Annotated[str, typer.Argument(help="of the corpus: small letters, digits and _")],
    folder: Annotated[Path, typer.Argument(help="your clips")],
    example: Annotated[
        bool,
        typer.Option("--example", help="make an example: clips in the folder, and annotations"),
    ] = False,
) -> None:
    """Describe clips of your own: make NAME.csv, and once it is filled in, NAME.yaml.

    NAME.yaml is a patch of params.yaml.
    """
    from merflow.custom_corpus import prepare as step

    preconditions.check_folder(Path())
    step(name, folder, example)


@app.command(cls=ModelOptional)
def predict(
    target: Annotated[Path | None, typer.Argument(help="a clip, or a folder of clips")] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            help="results/<paper>/<system>/<corpus>-<protocol>, with weights; without a value, or"
            " without this option, the models are listed"
        ),
    ] = None,
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
        paths.CHECKPOINT
    ).parent,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
    despite_changes: Annotated[
        bool,
        typer.Option("--despite-changes", help="code or libraries may differ from training"),
    ] = False,
) -> None:
    """Class probabilities of new clips by a trained model; without a model, list the models."""
    if model is None or target is None:
        if not Path(paths.RESULT).parents[-2].is_dir():  # no folder of results
            preconditions.check_folder(Path())
        from merflow.predict.listing import instead_of_predictions

        instead_of_predictions(target, model, checkpoints, as_json)
        return
    from merflow.predict.show import show
    from merflow.predict.step import predict as step

    result = step(target, model, checkpoints, text, annotations, fold, seed, despite_changes)
    show(result, as_json)
    if not result.predictions:
        raise typer.Exit(1)


@app.command()
def fetch(corpus: str, params: Slice, scratch: Scratch, out: Out) -> None:
    """Download and unpack a corpus, make its demo, or copy it from a folder."""
    from merflow.corpora.fetch import fetch as step

    source = parameters.slice_of(params)[f"corpora.{corpus}.source"]
    step(corpus, source, out.parent, scratch, Path(paths.DIGESTS))


@app.command()
def prepare(
    corpus: str,
    params: Slice,
    raw: Annotated[Path, typer.Option(help=f"{paths.SOURCE} of the corpus")],
    out: Out,
) -> None:
    """Read a corpus: utterances, splits, defects."""
    from merflow.corpora.prepare import prepare as step

    corpus_params = parameters.CorpusParams(**parameters.slice_of(params)[f"corpora.{corpus}"])
    table = corpus_params.annotations
    annotations = paths.of_user(table) if table else None
    step(corpus, corpus_params.source, raw.parent, out.parent, annotations)


@app.command()
def checkpoint(name: str, params: Slice, scratch: Scratch, out: Out) -> None:
    """Download, link or make a pre-trained model or word vectors."""
    from merflow.checkpoints.fetch import fetch as step

    checkpoint_params = parameters.slice_of(params)[f"checkpoints.{name}"]
    step(name, checkpoint_params, out.parent, scratch, Path(paths.DIGESTS))


@app.command()
def decode(files: Files, params: Slice, shard: Shard, shards: NShards, out: Out) -> None:
    """Decode the clips of one shard: audio and two samplings of frames."""
    from merflow.media.step import decode_shard

    inputs, values = Inputs.of(files), parameters.slice_of(params)
    clips, raw = inputs.clips, inputs.raw
    decode_shard(clips, raw, values["media"], values["code"], shard, shards, out)


@app.command()
def assemble(shards: Shards, out: Out) -> None:
    """Put the decoded shards of a corpus in one place."""
    from merflow.media.step import assemble as step

    step([shard.parent for shard in shards], out.parent.parent)


@app.command()
def extract(
    feature: str,
    files: Files,
    params: Slice,
    shard: Shard,
    shards: NShards,
    out: Out,
    gpus: Gpus = 0,
) -> None:
    """Extract a feature of one shard of a corpus' utterances."""
    take(gpus)
    from merflow.features.extract import extract_shard

    values = parameters.slice_of(params)
    feature_params, code = values[f"features.{feature}"], values["code"]
    extract_shard(feature, feature_params, code, Inputs.of(files), shard, shards, out)


@app.command()
def merge(shards: Shards, out: Out) -> None:
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
    shard: Shard,
    shards: NShards,
    files: Annotated[
        list[Path],
        typer.Option(
            "--inputs",
            help="prepared corpus, features, checkpoint, results of other systems; one file each",
        ),
    ],
    out: Out,
    gpus: Gpus = 0,
) -> None:
    """Train one system on some folds and seeds, and predict.

    On several GPUs each has its own process.
    """
    take(gpus)
    relaunch(gpus)
    from merflow.training.job import Job, of_corpus
    from merflow.training.run import train as step

    values = parameters.slice_of(params)
    block = f"papers.{paper}"
    job = Job(
        paper=paper,
        system=system,
        corpus=corpus,
        protocol=protocol,
        params=of_corpus(values[f"{block}.systems.{system}"], corpus),
        protocol_params=values[f"{block}.protocols.{protocol}"],
        features=values.get(f"{block}.features", {}),
        n_classes=values.get(f"{block}.classes", {}).get(corpus),
        precision=values["training"]["precision"],
        keep_weights=values[f"keep_weights.{paper}.{system}.{corpus}.{protocol}"],
        code=values["code"],
        inputs=Inputs.of(files),
    )
    step(job, shard, shards, out)


@app.command()
def gather(shards: Shards, out: Out) -> None:
    """Join the folds and seeds of one system."""
    from merflow.training.gather import gather as step

    step(shards, out.parent)


@app.command()
def score(files: Files, params: Slice, out: Out) -> None:
    """Score all predictions, with intervals and trivial baselines."""
    from merflow.evaluation.score import score as step

    inputs, values = Inputs.of(files), parameters.slice_of(params)
    evaluation = parameters.EvaluationParams(**values["evaluation"])
    expected = parameters.expected_results(values)
    step(inputs.results, inputs.corpora, evaluation, out.parent, expected)


@app.command()
def tables(files: Files, params: Slice, out: Out) -> None:
    """Build the result tables: the papers' printed numbers beside the measured ones."""
    from merflow.tables.compare import build

    inputs, values = Inputs.of(files), parameters.slice_of(params)
    papers, corpora = values["run.papers"], values["run.corpora"]
    modalities = values["axes.modalities"]
    build(inputs.scores, inputs.reported, out.parent, papers, corpora, modalities)


@app.command()
def sheet(corpus: str, files: Files, out: Out) -> None:
    """Draw frames of a few test clips with zero-shot predictions."""
    from merflow.tables.frame_sheet import write

    inputs = Inputs.of(files)
    # a zero-shot system is not trained, so its results are the same under any protocol
    result = inputs.result_on(corpus)
    write(result, inputs.corpus, inputs.frames, inputs.feature, out.parent)


@app.command()
def report(
    files: Files,
    scratch: Annotated[Path, typer.Option(help="folder of figures that were drawn before")],
    out: Out,
) -> None:
    """Write the report: one static folder of HTML."""
    from merflow.tables.report import write

    inputs = Inputs.of(files)
    write(inputs.tables, inputs.results, inputs.corpora, inputs.sheets, out.parent, scratch)
