"""A real SLURM cluster on one machine, for trials and tests, deleted after use.

Munge, a controller, several nodes with fake GPUs and optional accounting: Debian's own daemons on
loopback, without systemd and cgroups, all files in one folder. Several clusters can run side by
side.

    python -m slurm.testcluster start DIR
    export SLURM_CONF=DIR/etc/slurm.conf
    python -m slurm.testcluster stop DIR
"""
