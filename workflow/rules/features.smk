# Features: one Parquet store per corpus and feature, extracted in shards.
#   out: data/features/<corpus>/<feature>.parquet
# Its stage in dvc.yaml says what a feature is made from (text, audio, frames, a checkpoint).
# Shards are scratch: they survive a crash, never leave this checkout, and do not change the store.
FEATURE_SHARD = "build/shards/{corpus}/{feature}/{shard}-of-{shards}.parquet"


rule extract:
    input:
        data=plan.data_for(paths.FEATURE),
    output:
        shard=temp(FEATURE_SHARD),
    log:
        "build/logs/extract/{corpus}-{feature}-{shard}-of-{shards}.log",
    conda:
        "../../environment.yml"
    resources:
        gpu=plan.gpus,
    params:
        cfg=plan.cfg_for(paths.FEATURE),
    message:
        "extract {wildcards.feature} of {wildcards.corpus},"
        " shard {wildcards.shard} of {wildcards.shards}"
    shell:
        "merflow --log {log} --threads {threads} extract {wildcards.feature} {input.data}"
        " --params {params.cfg:q} --shard {wildcards.shard} --shards {wildcards.shards}"
        " --gpus {resources.gpu} --out {output.shard}"


# A failed shard leaves a record of its inputs and no file to compare with them. So what joins the
# shards has the inputs of the stage as its own, and runs again when one of them changes.
rule merge:
    input:
        shards=plan.shards(FEATURE_SHARD),
        data=plan.data_for(paths.FEATURE),
    output:
        store=paths.FEATURE,
    log:
        "build/logs/merge/{corpus}-{feature}.log",
    conda:
        "../../environment.yml"
    params:
        cfg=plan.cfg_for(paths.FEATURE),
    message:
        "merge {wildcards.feature} of {wildcards.corpus}"
    shell:
        "merflow --log {log} merge {input.shards} --out {output.store}"
