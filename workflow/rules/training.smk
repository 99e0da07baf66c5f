# Training: the runs of a system (folds x seeds) in a few jobs; then all of its predictions in one place.
#   out: results/<paper>/<system>/<corpus>-<protocol>/ (predictions.parquet, run.json, weights/)
# Runs are scratch like shards; dvc.yaml's stages of a paper say which inputs and parameters a system has.
RESULT = "results/{paper}/{system}/{corpus}-{protocol}/predictions.parquet"
RUNS = "build/runs/{paper}/{system}/{corpus}-{protocol}/{part}-of-{parts}"


def runs(wildcards):
    protocol = plan.params["papers"][wildcards.paper]["protocols"][wildcards.protocol]
    folds = plan.folds(wildcards.corpus, wildcards.paper, wildcards.protocol)
    count = folds * len(protocol["seeds"])
    parts = min(plan.params["run"][wildcards.paper]["jobs"], count)
    return [RUNS.format(part=part, parts=parts, **wildcards) for part in range(parts)]


rule train:
    input:
        plan.data_for(RESULT),
    output:
        temp(directory(RUNS)),
    log:
        "build/logs/train/{paper}-{system}-{corpus}-{protocol}-{part}-of-{parts}.log",
    resources:
        gpu=0,  # of a machine that has some: profiles/gpu, profiles/slurm
    params:
        cfg=plan.cfg_for(RESULT),
        inputs=lambda wildcards, input: [f"--inputs {path}" for path in input],
    message:
        "train {wildcards.paper} {wildcards.system} on {wildcards.corpus}, {wildcards.protocol}, part {wildcards.part} of {wildcards.parts}"
    shell:
        "merflow --log {log} --threads {threads} train {wildcards.paper} {wildcards.system} {wildcards.corpus} {wildcards.protocol}"
        " --params {params.cfg:q} --part {wildcards.part} --parts {wildcards.parts} {params.inputs}"
        " --gpus {resources.gpu} --out {output}"


rule gather:
    input:
        runs=runs,
        data=plan.data_for(RESULT),  # see rule merge
    output:
        RESULT,
    log:
        "build/logs/gather/{paper}-{system}-{corpus}-{protocol}.log",
    params:
        cfg=plan.cfg_for(RESULT),
    message:
        "gather {wildcards.paper} {wildcards.system} on {wildcards.corpus}, {wildcards.protocol}"
    shell:
        "merflow --log {log} gather {input.runs} --out {output}"
