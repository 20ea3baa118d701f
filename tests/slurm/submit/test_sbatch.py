"""The sbatch file that submitit makes of our parameters, to the letter."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import harness
from harness.config.slurm_profile import GpuFlag, MemFlag, SlurmProfile
from harness.core.errors import ClusterError
from slurm.plan.resources import Request
from slurm.submit.sbatch import ArraySpec, parameters, script

ROOT = Path(harness.__file__).parents[1]
REQUEST = Request("gpu", 1, 8, 19.5, 70)


def spec(profile: SlurmProfile, num_tasks: int = 3, dependency: str = "") -> ArraySpec:
    return ArraySpec("name", REQUEST, profile, Path("/s/f"), "/home/me", num_tasks, dependency)


@pytest.mark.usefixtures("fake_slurm")
def test_the_text_of_an_array() -> None:
    profile = SlurmProfile(
        account="acc",
        qos="long",
        constraint="a100",
        setup=["module load cuda"],
        container="apptainer exec --nv a.sif",
        python="python3",
        max_running=2,
        extra={"mail-type": "FAIL"},
    )
    assert (
        script(spec(profile, dependency="aftercorr:7"))
        == f"""\
#!/bin/bash

# Parameters
#SBATCH --account=acc
#SBATCH --array=0-2%2
#SBATCH --chdir=/home/me
#SBATCH --constraint=a100
#SBATCH --cpus-per-task=8
#SBATCH --dependency=aftercorr:7
#SBATCH --error=/s/f/%A_%a_0_log.err
#SBATCH --gpus-per-node=1
#SBATCH --job-name=name
#SBATCH --kill-on-invalid-dep=yes
#SBATCH --mail-type=FAIL
#SBATCH --mem=19968M
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --open-mode=append
#SBATCH --output=/s/f/%A_%a_0_log.out
#SBATCH --partition=gpu
#SBATCH --qos=long
#SBATCH --requeue
#SBATCH --signal=USR2@120
#SBATCH --time=70

# setup
export PYTHONPATH={ROOT}${{PYTHONPATH:+:$PYTHONPATH}}
export OMP_NUM_THREADS=8 GOMP_SPINCOUNT=${{GOMP_SPINCOUNT:-10000}}
export SRUN_CPUS_PER_TASK=8
unset SLURM_EXPORT_ENV
set -e
trap 'echo "error: setup line failed: $BASH_COMMAND" >&2' ERR
module load cuda
trap - ERR
set +e

# command
export SUBMITIT_EXECUTOR=slurm
srun --unbuffered --output /s/f/%A_%a_%t_log.out --error /s/f/%A_%a_%t_log.err \
apptainer exec --nv a.sif python3 -P -u -m submitit.core._submit /s/f
"""
    )


@pytest.mark.usefixtures("fake_slurm")
def test_without_srun_the_signal_goes_to_python_itself() -> None:
    text = script(spec(SlurmProfile(srun=False), num_tasks=1))
    assert "#SBATCH --signal=B:USR2@120" in text
    assert f"\nexec {sys.executable} -P -u -m submitit.core._submit /s/f\n" in text
    assert "--array" not in text


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        (SlurmProfile(gpu_type="h100"), {"gpus_per_node": "h100:1"}),
        (SlurmProfile(gpu_flag=GpuFlag.gpus_per_task), {"gpus_per_task": 1}),
        (SlurmProfile(gpu_flag=GpuFlag.gres, gpu_type="h100"), {"gres": "gpu:h100:1"}),
        (SlurmProfile(mem_flag=MemFlag.mem_per_cpu), {"mem_per_cpu": "2496M"}),
        (SlurmProfile(exclusive=True), {"exclusive": True}),
    ],
)
def test_resources_are_requested_as_the_site_expects(
    profile: SlurmProfile, expected: dict[str, object]
) -> None:
    found = parameters(spec(profile))
    assert expected.items() <= found.items()


def test_sites_that_refuse_gpu_and_memory_requests() -> None:
    found = parameters(spec(SlurmProfile(gpu_flag=GpuFlag.none, mem_flag=MemFlag.none)))
    assert not [key for key in found if key.startswith(("mem", "gpu", "gres"))]


def test_a_machine_without_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClusterError, match="no SLURM here"):
        script(spec(SlurmProfile()))
