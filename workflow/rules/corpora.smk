# Corpora: from archives or a folder to tables of utterances, splits and defects.
#   out: data/raw/<corpus>/ (as distributed),
#        data/corpora/<corpus>/{utterances,clips,splits}.parquet, defects.csv


rule fetch:
    output:
        raw=plan.fetch.out(paths.SOURCE),
    log:
        "build/logs/fetch/{corpus}.log",
    localrule: True  # nodes of a cluster often have no network
    conda:
        "../../environment.yml"
    params:
        cfg=plan.cfg_for(plan.fetch.out(paths.SOURCE)),  # of either stage
        scratch="build/fetch/{corpus}",
    message:
        "fetch {wildcards.corpus}"
    shell:
        "merflow --log {log} fetch {wildcards.corpus} --params {params.cfg:q}"
        " --scratch {params.scratch} --out {output.raw}"


rule prepare:
    input:
        data=plan.data_for(plan.prepare.out(paths.UTTERANCES)),  # of either stage
    output:
        utterances=plan.prepare.out(paths.UTTERANCES),
        clips=plan.prepare.out(paths.CLIPS),
        splits=plan.prepare.out(paths.SPLITS),
        defects=plan.prepare.out(paths.DEFECTS),
    log:
        "build/logs/prepare/{corpus}.log",
    conda:
        "../../environment.yml"
    params:
        cfg=plan.cfg_for(plan.prepare.out(paths.UTTERANCES)),
    message:
        "prepare {wildcards.corpus}"
    shell:
        "merflow --log {log} prepare {wildcards.corpus} --params {params.cfg:q}"
        " --raw {input.data[0]} --out {output.utterances}"
