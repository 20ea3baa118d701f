"""Dispatch of sweeps to SLURM clusters.

A command makes a `campaign`, which reads what a sweep lacks and what became of earlier submissions,
plans job arrays and submits them:

    plan/       missing work -> resources -> shards -> arrays
    submit/     a plan -> sbatch files and job ids, on disk as a `submission`
    node/       the task that SLURM starts on a node
    attempts/   the file that each start of a task writes, and how many of them failed
    status/     submissions, attempts, results and SLURM's queue -> a verdict per shard
    checks/     everything that can be checked before a submission; `doctor`
    commands    the calls of squeue, sacct, scontrol and sbatch
"""
