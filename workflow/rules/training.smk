# Training: the runs of a system (folds x seeds) in a few jobs, then all predictions together.
#   out: results/<paper>/<system>/<corpus>-<protocol>/ (predictions.parquet, run.json, weights/)
# Runs are scratch like shards. The stages of a paper in dvc.yaml say which inputs and parameters a
# system has.
RESULT = f"{paths.RESULT}/{paths.PREDICTIONS}"
TRAINING_SHARD = "build/runs/{paper}/{system}/{corpus}-{protocol}/{shard}-of-{shards}"


rule train:
    input:
        data=plan.data_for(RESULT),
    output:
        shard=temp(directory(TRAINING_SHARD)),
    log:
        "build/logs/train/{paper}-{system}-{corpus}-{protocol}-{shard}-of-{shards}.log",
    conda:
        "../../environment.yml"
    resources:
        gpu=1,
    params:
        cfg=plan.cfg_for(RESULT),
        inputs=lambda wildcards, input: [f"--inputs {path}" for path in input.data],
    message:
        "train {wildcards.paper} {wildcards.system} on {wildcards.corpus},"
        " {wildcards.protocol}, shard {wildcards.shard} of {wildcards.shards}"
    shell:
        "merflow --log {log} --threads {threads} train {wildcards.paper} {wildcards.system}"
        " {wildcards.corpus} {wildcards.protocol} --params {params.cfg:q}"
        " --shard {wildcards.shard} --shards {wildcards.shards} {params.inputs}"
        " --gpus {resources.gpu} --out {output.shard}"


rule gather:
    input:
        shards=plan.run_shards(TRAINING_SHARD),
        data=plan.data_for(RESULT),  # see rule merge
    output:
        predictions=RESULT,
    log:
        "build/logs/gather/{paper}-{system}-{corpus}-{protocol}.log",
    conda:
        "../../environment.yml"
    params:
        cfg=plan.cfg_for(RESULT),
    message:
        "gather {wildcards.paper} {wildcards.system} on {wildcards.corpus}, {wildcards.protocol}"
    shell:
        "merflow --log {log} gather {input.shards} --out {output.predictions}"
