from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from backbones.engine.spec import Precision
from backbones.wan.vae import WanDecoder, WanVAE, WanVAEConfig
from harness.store.units import build_backbone
from harness.studies.bench.floor import block_flops, decode_flops, gather_bytes
from harness.studies.bench.rates import measure_rates

WAN = ("backbone=self_forcing", "weights=random", "backbone.flavor=debug", "prompts=scenes")
QUICK = ("prompts.num=1", "duration=4.5", "suite=[]", "device=cpu", "threads=1")


def test_every_part_of_a_video_is_timed(cli, tmp_path: Path) -> None:
    figures, profile = tmp_path / "bench.json", tmp_path / "trace.json"
    options = ("--out", str(figures), "--profile", str(profile))
    result = cli("dev", "bench", *WAN, *QUICK, "method=sliding_window,rag", *options)
    assert result.code == 0
    assert "row 2: self_forcing weights=random flavor=debug | rag" in result.out
    content = json.loads(figures.read_text())
    assert [row["method"] for row in content["rows"]] == ["sliding_window", "rag"]
    for row in content["rows"]:
        block, video = row["block"], row["video"]
        for part in (
            "first",
            "steady",
            "denoising_pass",
            "clean_pass",
            "gather",
            "decode",
            "both",
            "floor",
            "decode_floor",
        ):
            assert block[part] > 0, part
        # Blocks are parts of the rollout. A steady block counts from its begin to that of the
        # next one, with what lies between them, so it is a part of the total only.
        assert video["total_s"] > video["rollout_s"] > block["first"]
        assert video["total_s"] > video["first_frames_s"] > 0
        # On one CPU nothing overlaps but by noise; what is claimed is the arithmetic.
        hidden = block["steady"] + block["decode"] - block["both"]
        assert block["overlap"] == pytest.approx(hidden / min(block["steady"], block["decode"]))
        assert video["encode_s"] is None  # x264 only if asked
        assert row["rates"]["upload_bytes_per_s"] is None  # no GPU
        assert row["kernels"]["attention"] == "flash"
    window, rag = (row["video"]["kv_mib"]["device"] for row in content["rows"])
    assert window < rag
    events = json.loads(profile.read_text())["traceEvents"]
    assert any("scaled_dot_product" in event.get("name", "") for event in events)
    assert not list(Path().glob("runs"))  # nothing is left behind


def test_frames_are_encoded_only_if_asked_or_scored(cli, tmp_path: Path) -> None:
    figures = tmp_path / "bench.json"
    for extra, writes in ((("--video", "on"), True), (("suite=offline",), True)):
        short = ("method=sliding_window", "duration=0.75", "--out", str(figures))
        assert cli("dev", "bench", *WAN, *QUICK, *short, *extra).code == 0
        video = json.loads(figures.read_text())["rows"][0]["video"]
        assert (video["encode_s"] is not None) == writes


def test_the_decoder_of_the_released_shape_costs_what_was_computed() -> None:
    """On the meta device, which counts and computes nothing."""
    with torch.device("meta"):
        vae = WanVAE(WanVAEConfig()).prepare()
    spec = build_backbone("self_forcing", {"weights": "random"}).spec()
    on_meta = SimpleNamespace(
        spec=spec,
        device=torch.device("meta"),
        compile=lambda _: None,
        start_decoder=lambda: WanDecoder(vae),
    )
    per_latent = decode_flops(on_meta) / spec.block_latents
    assert per_latent == pytest.approx(13.55e12, rel=0.005)


def test_the_floor_counts_the_arithmetic_of_the_released_shape() -> None:
    spec = build_backbone("self_forcing", {"weights": "random"}).spec()
    per_pass = block_flops(spec) / 5
    # Per token and layer: 14.2 M weights of q, k, v, o, cross q and o, 27.5 M of the feed-forward
    # network, and 19,232 keys of 1536 channels, each met twice.
    expected = 30 * 4680 * 2 * (6 * 1536**2 + 2 * 1536 * 8960 + 2 * 1536 * (18720 + 512))
    assert per_pass == expected
    assert gather_bytes(spec) == 9 * spec.kv_bytes_per_latent


def test_rates_are_measured_in_the_precision_of_the_backbone(small) -> None:
    rates = measure_rates(small)
    assert rates.matmul_flops_per_s > 0
    assert rates.copy_bytes_per_s > 0
    assert rates.upload_bytes_per_s is None
    assert small.device == torch.device("cpu")
    small = replace(small, spec=replace(small.spec, precision=Precision.fp8))
    assert measure_rates(small).matmul_flops_per_s > 0
