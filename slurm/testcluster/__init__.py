"""A real SLURM cluster on one machine, thrown away after use.

Munge, a controller, several nodes with fake GPUs and, if wanted, accounting: Debian's own daemons,
on loopback, without systemd and cgroups, everything inside one folder. Several clusters run side by
side.

    python -m slurm.testcluster start DIR
    export SLURM_CONF=DIR/etc/slurm.conf
    python -m slurm.testcluster stop DIR
"""
