# Features: one Parquet store per corpus and feature, extracted in shards.
#   out: data/features/<corpus>/<feature>.parquet
# What a feature is made from (text, sound, pictures, a checkpoint) says its stage in dvc.yaml.
# Shards are scratch: they survive a crash, never leave this checkout, and do not change the store.

STORE = "data/features/{corpus}/{feature}.parquet"


def shards(wildcards):
    count = plan.params["run"]["shards"].get(wildcards.corpus, 1)
    return [
        f"build/shards/{wildcards.corpus}/{wildcards.feature}/{k}-of-{count}.parquet"
        for k in range(count)
    ]


rule extract:
    input:
        plan.data_for(STORE),
    output:
        temp("build/shards/{corpus}/{feature}/{shard}-of-{shards}.parquet"),
    log:
        "build/logs/extract/{corpus}-{feature}-{shard}-of-{shards}.log",
    resources:
        gpu=0,  # of a machine that has some: profiles/gpu, profiles/slurm
    params:
        cfg=plan.cfg_for(STORE),
    message:
        "extract {wildcards.feature} of {wildcards.corpus}, shard {wildcards.shard} of {wildcards.shards}"
    shell:
        "merflow --log {log} --threads {threads} extract {wildcards.feature} {input} --params {params.cfg:q}"
        " --shard {wildcards.shard} --shards {wildcards.shards} --gpus {resources.gpu} --out {output}"


rule merge:
    input:
        shards=shards,
        data=plan.data_for(STORE),  # a shard that failed leaves a record of these, and no file to compare with it
    output:
        STORE,
    log:
        "build/logs/merge/{corpus}-{feature}.log",
    params:
        cfg=plan.cfg_for(STORE),
    message:
        "merge {wildcards.feature} of {wildcards.corpus}"
    shell:
        "merflow --log {log} merge {input.shards} --out {output}"
