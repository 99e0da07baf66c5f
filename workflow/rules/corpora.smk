# Corpora: from archives or a folder to tables of utterances, splits and defects.
#   out: data/raw/<corpus>/ (as distributed), data/corpora/<corpus>/{utterances,splits}.parquet, defects.csv


rule fetch:
    output:
        plan.fetch.outs,
    log:
        "build/logs/fetch/{corpus}.log",
    localrule: True  # nodes of a cluster often have no network
    params:
        cfg=plan.fetch.cfg,
        scratch="build/fetch/{corpus}",
    message:
        "fetch {wildcards.corpus}"
    shell:
        "merflow --log {log} fetch {wildcards.corpus} --params {params.cfg:q} --scratch {params.scratch} --out {output}"


rule prepare:
    input:
        plan.prepare.data,
    output:
        plan.prepare.outs,
    log:
        "build/logs/prepare/{corpus}.log",
    params:
        cfg=plan.prepare.cfg,
    message:
        "prepare {wildcards.corpus}"
    shell:
        "merflow --log {log} prepare {wildcards.corpus} --params {params.cfg:q} --raw {input} --out {output[0]}"
