# Checkpoints: pre-trained models and word vectors, downloaded, linked or made once.
#   out: data/checkpoints/<name>/ (SOURCE.json says which, with digests)


rule checkpoint:
    output:
        checkpoint=plan.checkpoint.out(paths.SOURCE),
    log:
        "build/logs/checkpoint/{checkpoint}.log",
    localrule: True  # nodes of a cluster often have no network
    conda:
        "../../environment.yml"
    params:
        cfg=plan.cfg_for(plan.checkpoint.out(paths.SOURCE)),  # of either stage
        scratch="build/fetch/checkpoints/{checkpoint}",
    message:
        "checkpoint {wildcards.checkpoint}"
    shell:
        "merflow --log {log} checkpoint {wildcards.checkpoint} --params {params.cfg:q}"
        " --scratch {params.scratch} --out {output.checkpoint}"
