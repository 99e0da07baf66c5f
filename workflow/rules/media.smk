# Media: every clip decoded once, to 16 kHz sound and two samplings of pictures.
#   out: data/media/<corpus>/{audio,frames_every10,frames_15}/, data/media/<corpus>/defects.csv
# Shards are scratch, as for features; a killed one goes on where it stopped.


def decoded(wildcards):
    count = plan.params["run"]["shards"].get(wildcards.corpus, 1)
    return [
        f"build/shards/{wildcards.corpus}/media/{k}-of-{count}/DONE.json"
        for k in range(count)
    ]


rule decode:
    input:
        plan.decode.data,
    output:
        temp("build/shards/{corpus}/media/{shard}-of-{shards}/DONE.json"),
    log:
        "build/logs/decode/{corpus}-{shard}-of-{shards}.log",
    params:
        cfg=plan.decode.cfg,
    message:
        "decode {wildcards.corpus}, shard {wildcards.shard} of {wildcards.shards}"
    shell:
        "merflow --log {log} --threads {threads} decode {input} --params {params.cfg:q}"
        " --shard {wildcards.shard} --shards {wildcards.shards} --out {output}"


rule assemble:
    input:
        shards=decoded,
        data=plan.decode.data,  # see rule merge
    output:
        plan.decode.outs,
    log:
        "build/logs/assemble/{corpus}.log",
    params:
        cfg=plan.decode.cfg,
    message:
        "assemble the media of {wildcards.corpus}"
    shell:
        "merflow --log {log} assemble {input.shards} --out {output[0]}"
