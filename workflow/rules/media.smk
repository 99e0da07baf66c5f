# Media: every clip decoded once, to 16 kHz audio and samplings of frames.
#   out: data/media/<corpus>/{audio,frames_*}/, data/media/<corpus>/defects.csv
# Shards are scratch, as for features; a killed job goes on where it stopped.
MEDIA_SHARD = "build/shards/{corpus}/media/{shard}-of-{shards}"


rule decode:
    input:
        data=plan.decode.data,
    output:
        shard=temp(f"{MEDIA_SHARD}/{paths.DECODED}"),
    log:
        "build/logs/decode/{corpus}-{shard}-of-{shards}.log",
    conda:
        "../../environment.yml"
    params:
        cfg=plan.decode.cfg,
    message:
        "decode {wildcards.corpus}, shard {wildcards.shard} of {wildcards.shards}"
    shell:
        "merflow --log {log} --threads {threads} decode {input.data} --params {params.cfg:q}"
        " --shard {wildcards.shard} --shards {wildcards.shards} --out {output.shard}"


rule assemble:
    input:
        shards=plan.shards(f"{MEDIA_SHARD}/{paths.DECODED}"),
        data=plan.decode.data,  # see rule merge
    output:
        audio=plan.decode.out("audio"),
        frames_every10=plan.decode.out("frames_every10"),
        frames_15=plan.decode.out("frames_15"),
        frames_dense=plan.decode.out("frames_dense"),
        defects=plan.decode.out(paths.DEFECTS),
    log:
        "build/logs/assemble/{corpus}.log",
    conda:
        "../../environment.yml"
    params:
        cfg=plan.decode.cfg,
    message:
        "assemble the media of {wildcards.corpus}"
    shell:
        "merflow --log {log} assemble {input.shards} --out {output.audio}"
