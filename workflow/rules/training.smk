# Training: one job per system, corpus, protocol, fold and seed; then all of a system's predictions in one place.
#   out: results/<paper>/<system>/<corpus>-<protocol>/ (predictions.parquet, run.json, weights/)
# Runs are scratch like shards; dvc.yaml's stages of a paper say which inputs and parameters a system has.
from merflow.corpora.schemes import folds

RESULT = "results/{paper}/{system}/{corpus}-{protocol}/predictions.parquet"


def runs(wildcards):
    protocol = plan.params["papers"][wildcards.paper]["protocols"][wildcards.protocol]
    folder = "build/runs/{paper}/{system}/{corpus}-{protocol}".format_map(
        dict(wildcards.items())
    )
    return [
        f"{folder}/fold{fold}-seed{seed}/predictions.parquet"
        for fold in range(folds(wildcards.corpus, protocol["scheme"]))
        for seed in protocol["seeds"]
    ]


rule train:
    input:
        plan.data_for(RESULT),
    output:
        temp(
            "build/runs/{paper}/{system}/{corpus}-{protocol}/fold{fold}-seed{seed}/predictions.parquet"
        ),
    log:
        "build/logs/train/{paper}-{system}-{corpus}-{protocol}-fold{fold}-seed{seed}.log",
    benchmark:
        "build/benchmarks/train/{paper}-{system}-{corpus}-{protocol}-fold{fold}-seed{seed}.tsv"
    params:
        cfg=plan.cfg_for(RESULT),
        inputs=lambda wildcards, input: [f"--inputs {path}" for path in input],
    message:
        "train {wildcards.paper} {wildcards.system} on {wildcards.corpus}, {wildcards.protocol}, fold {wildcards.fold}, seed {wildcards.seed}"
    shell:
        "merflow --log {log} --threads {threads} train {wildcards.paper} {wildcards.system} {wildcards.corpus} {wildcards.protocol}"
        " --params {params.cfg:q} --fold {wildcards.fold} --seed {wildcards.seed} {params.inputs} --out {output}"


rule gather:
    input:
        runs,
    output:
        RESULT,
    log:
        "build/logs/gather/{paper}-{system}-{corpus}-{protocol}.log",
    params:
        cfg=plan.cfg_for(RESULT),
    message:
        "gather {wildcards.paper} {wildcards.system} on {wildcards.corpus}, {wildcards.protocol}"
    shell:
        "merflow --log {log} gather {input} --out {output}"
