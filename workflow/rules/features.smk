# Features: one Parquet store per corpus and feature, extracted in shards.
#   out: data/features/<corpus>/<feature>.parquet
# Shards are scratch: they survive a crash, never leave this checkout, and do not change the store.


def shards(wildcards):
    count = plan.params["run"]["shards"][wildcards.corpus]
    return [
        f"build/shards/{wildcards.corpus}/{wildcards.feature}/{k}-of-{count}.parquet"
        for k in range(count)
    ]


rule extract:
    input:
        plan.extract.data,
    output:
        temp("build/shards/{corpus}/{feature}/{shard}-of-{shards}.parquet"),
    log:
        "build/logs/extract/{corpus}-{feature}-{shard}-of-{shards}.log",
    params:
        cfg=plan.extract.cfg,
    message:
        "extract {wildcards.feature} of {wildcards.corpus}, shard {wildcards.shard} of {wildcards.shards}"
    shell:
        "merflow --log {log} --threads {threads} extract {wildcards.feature} --params {params.cfg:q}"
        " --utterances {input} --shard {wildcards.shard} --shards {wildcards.shards} --out {output}"


rule merge:
    input:
        shards,
    output:
        plan.extract.outs,
    log:
        "build/logs/merge/{corpus}-{feature}.log",
    params:
        cfg=plan.extract.cfg,
    message:
        "merge {wildcards.feature} of {wildcards.corpus}"
    shell:
        "merflow --log {log} merge {input} --out {output}"
