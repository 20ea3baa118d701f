"""Run of the unmodified official class VBenchLong on our clips, in its own process.

The process supplies four things that the class relies on: `torchvision.io.write_video`, which
newer versions of torchvision no longer have; a device for DreamSim, which it would load on a GPU;
a `torch.load` that, as before version 2.6, reads files with other objects beside tensors; and a
`torch.jit.load` that loads published files only.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.errors import MetricUnavailable
from eval.vbench_long.official_code.checked_jit import loading_published
from eval.vbench_long.official_code.home import make_home, write_configuration
from harness.core.machine import peak_host_mib
from harness.core.tensor_files import loading_tensors


def run_official(
    videos: Mapping[str, tuple[Path, Sequence[Path]]],
    dimensions: Sequence[str],
    device: str,
    threads: int,
) -> dict[str, Any]:
    """Score clips with the official code.

    Args:
        videos: official name of each video (`<prompt>-<number>`), its file and its clips in order.
        dimensions: names of the dimensions.
        device: torch device.
        threads: threads of torch.

    Returns:
        The results of the official code, for each dimension the dataset score and the details; and
        `cpu_s` by dimension, loading of models included, `total_cpu_s` of the process, and
        `peak_rss_mib`.

    Raises:
        MetricUnavailable: the official code failed, with the last line of its output; or a name is
            too long for a file, or contains a slash.
    """
    for name in videos:
        if "/" in name or len(f"{name}_000.mp4".encode()) > 255:
            raise MetricUnavailable(
                f"{name[:60]!r}... is too long for a file name or contains '/'; the official code "
                "names files by the prompt"
            )
    with tempfile.TemporaryDirectory(prefix="longtake-official-") as folder:
        root = Path(folder)
        make_home(root / "home")
        for name, (video, clips) in videos.items():
            place = root / "videos" / "split_clip" / name
            place.mkdir(parents=True)
            (root / "videos" / f"{name}.mp4").symlink_to(video.resolve())
            numbers = ["full"] if len(clips) == 1 else [f"{i:03d}" for i in range(len(clips))]
            for number, clip in zip(numbers, clips, strict=True):
                (place / f"{name}_{number}.mp4").symlink_to(clip.resolve())
        job = {"dimensions": list(dimensions), "device": device, "threads": threads}
        (root / "job.json").write_text(json.dumps(job | write_configuration(root)))
        environment = {**os.environ, "HOME": str(root / "home")}
        for moved in ("VBENCH_CACHE_DIR", "TORCH_HOME", "XDG_CACHE_HOME"):
            environment.pop(moved, None)
        # Through harness, which finds our `eval` whatever the working folder holds.
        program = "import harness; from eval.vbench_long.official_code.run import main; main()"
        command = [sys.executable, "-c", program, str(root)]
        ended = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        )
        if ended.returncode != 0:
            lines = [line for line in ended.stderr.splitlines() if line.strip()]
            raise MetricUnavailable(
                f"the official code failed: {lines[-1] if lines else 'without a message'}"
            )
        results: dict[str, Any] = json.loads((root / "results.json").read_text())
        return results


def main() -> None:
    """Evaluate the dimensions of `job.json` in the folder of sys.argv; write `results.json`."""
    root = Path(sys.argv[1])
    job = json.loads((root / "job.json").read_text())
    import torch
    import torchvision.io

    torch.set_num_threads(job["threads"])
    torch.load = loading_tensors(torch.load)
    torch.jit.load = loading_published(torch.jit.load)
    if not hasattr(torchvision.io, "write_video"):
        torchvision.io.write_video = _write_video
    import vbench2_beta_long
    from vbench2_beta_long import background_consistency

    background_consistency.dreamsim = functools.partial(
        background_consistency.dreamsim, device=job["device"]
    )
    full_info = Path(sys.modules["vbench"].__file__ or "").parent / "VBench_full_info.json"
    official = vbench2_beta_long.VBenchLong(
        torch.device(job["device"]), str(full_info), str(root / "out")
    )
    results: dict[str, Any] = {}
    for dimension in job["dimensions"]:
        before = time.process_time()
        official.evaluate(
            videos_path=str(root / "videos"),
            name=dimension,
            dimension_list=[dimension],
            local=True,
            mode="long_custom_input",
            use_semantic_splitting=False,
            static_filter_flag=False,
            clip_length_config="clip_length_mix.yaml",
            imaging_quality_preprocessing_mode="longer",
            dev_flag=True,
            sb_clip2clip_feat_extractor="dinov2",
            bg_clip2clip_feat_extractor="dreamsim",
            w_inclip=1.0,
            w_clip2clip=0.0,
            slow_fast_eval_config=job["slow_fast_eval_config"],
            sb_mapping_file_path=job["sb_mapping_file_path"],
            bg_mapping_file_path=job["bg_mapping_file_path"],
        )
        written = root / "out" / f"{dimension}_eval_results.json"
        results |= json.loads(written.read_text())
        results.setdefault("cpu_s", {})[dimension] = time.process_time() - before
    results["peak_rss_mib"] = peak_host_mib()
    results["total_cpu_s"] = time.process_time()
    (root / "results.json").write_text(json.dumps(results))


def _write_video(filename: str, video_array: Any, fps: float, **_: Any) -> None:
    """Encode with libx264's defaults, as torchvision's function of this name did."""
    import numpy as np

    from eval.video.reencode import encode, official_encoder

    frames_FHWC = np.asarray(video_array).astype(np.uint8)
    encode(Path(filename), frames_FHWC, int(np.round(fps)), official_encoder())
