# Features: one Parquet store per corpus and feature, extracted in shards.
#   out: data/features/<corpus>/<feature>.parquet
# What a feature is made from (text, sound, pictures, a checkpoint) says its stage in dvc.yaml.
# Shards are scratch: they survive a crash, never leave this checkout, and do not change the store.


def store(wildcards):
    """The artifact that a shard belongs to: its stage in dvc.yaml and the stage's point."""
    return plan.owner[
        "data/features/{corpus}/{feature}.parquet".format_map(dict(wildcards.items()))
    ]


def store_data(wildcards):
    stage, point = store(wildcards)
    return stage.data(point)


def store_cfg(wildcards):
    stage, point = store(wildcards)
    return stage.cfg(point)


def shards(wildcards):
    count = plan.params["run"]["shards"][wildcards.corpus]
    return [
        f"build/shards/{wildcards.corpus}/{wildcards.feature}/{k}-of-{count}.parquet"
        for k in range(count)
    ]


rule extract:
    input:
        store_data,
    output:
        temp("build/shards/{corpus}/{feature}/{shard}-of-{shards}.parquet"),
    log:
        "build/logs/extract/{corpus}-{feature}-{shard}-of-{shards}.log",
    benchmark:
        "build/benchmarks/extract/{corpus}-{feature}-{shard}-of-{shards}.tsv"
    params:
        cfg=store_cfg,
    message:
        "extract {wildcards.feature} of {wildcards.corpus}, shard {wildcards.shard} of {wildcards.shards}"
    shell:
        "merflow --log {log} --threads {threads} extract {wildcards.feature} {input} --params {params.cfg:q}"
        " --shard {wildcards.shard} --shards {wildcards.shards} --out {output}"


rule merge:
    input:
        shards,
    output:
        "data/features/{corpus}/{feature}.parquet",
    log:
        "build/logs/merge/{corpus}-{feature}.log",
    params:
        cfg=store_cfg,
    message:
        "merge {wildcards.feature} of {wildcards.corpus}"
    shell:
        "merflow --log {log} merge {input} --out {output}"
