"""A temporary home folder in which the official code finds its files.

It links to the user's weights. The official loaders also expect checkouts of two repositories for
torch.hub: the user's are linked if they exist, otherwise a replacement builds the same network from
the installed packages.
"""

from __future__ import annotations

import json
from pathlib import Path

from eval.networks.weights import LayoutFile
from eval.vbench_long.fusion import WEIGHT_CLIP_TO_CLIP, WEIGHT_IN_CLIP, mapping_table
from eval.vbench_long.layout import ALL_FILES, CLIP_B32, CLIP_L14, DINO_B16, VICLIP_VOCABULARY
from eval.vbench_long.networks.viclip import provide_vocabulary
from harness.core.torchscript import is_torchscript, read_torchscript
from harness.core.weights_files import file_sha256

_DINO = '''
dependencies = ["torch"]


def dino_vitb16(pretrained=True, **ignored):
    """DINO ViT-B/16, with the code of the package dreamsim."""
    import torch
    from dreamsim.feature_extraction.vision_transformer import vit_base

    network = vit_base(patch_size=16)
    path = f"{torch.hub.get_dir()}/checkpoints/dino_vitbase16_pretrain.pth"
    network.load_state_dict(torch.load(path, map_location="cpu"))
    return network
'''
_DINOV2 = '''
dependencies = ["torch"]


def dinov2_vitb14(pretrained=True, **ignored):
    """DINOv2 ViT-B/14, with the code of timm."""
    import torch
    from eval.vbench_long.networks.dinov2 import create

    path = f"{torch.hub.get_dir()}/checkpoints/dinov2_vitb14_pretrain.pth"
    return create(torch.load(path, map_location="cpu"))
'''
_HEAD_SHAPES = {
    "mlp.0.weight": (2048, 768),
    "mlp.0.bias": (2048,),
    "mlp.2.weight": (2048, 2048),
    "mlp.2.bias": (2048,),
    "mlp.4.weight": (256, 2048),
    "mlp.4.bias": (256,),
    "last_layer.weight": (2048, 256),
}


def make_home(home: Path) -> None:
    """Fill a new folder that serves as HOME for the official code."""
    cache = home / ".cache"
    user = Path.home() / ".cache"
    for file in ALL_FILES:
        if file in (CLIP_B32, CLIP_L14) and is_torchscript(file.path):
            _link_archive(file, cache / file.file)
        elif file.path.is_file():
            _link(file.path, cache / file.file)
    _link(provide_vocabulary(), cache / VICLIP_VOCABULARY.file)
    # Some official loaders look below torch.hub's folder, others directly below ~/.cache.
    for hub in (cache / "torch" / "hub", cache):
        _repository(user / "torch/hub/facebookresearch_dino_main", hub, "dino_main", _DINO)
        _repository(user / "torch/hub/facebookresearch_dinov2_main", hub, "dinov2_main", _DINOV2)
        (hub / "trusted_list").write_text("facebookresearch_dino\nfacebookresearch_dinov2\n")
    (cache / "checkpoints").symlink_to(cache / "torch" / "hub" / "checkpoints")
    (cache / "vbench" / "dino_model").mkdir(parents=True, exist_ok=True)
    local = cache / "vbench" / "dino_model"
    (local / "facebookresearch_dino_main").symlink_to(cache / "facebookresearch_dino_main")
    if DINO_B16.path.is_file():
        _link(DINO_B16.path, local / "dino_vitbase16_pretrain.pth")
    _projection(user / "dino_vitb16_pretrain.pth", cache / "dino_vitb16_pretrain.pth")


def write_configuration(folder: Path) -> dict[str, str]:
    """Write the tables that the wheel of vbench lacks; return keyword arguments naming them."""
    tables = {}
    for short, dimension in (("sb", "subject_consistency"), ("bg", "background_consistency")):
        table = mapping_table(dimension)
        lines = [f"{place / 100}: {value!r}" for place, value in enumerate(table)]
        path = folder / f"{dimension}_mapping.yaml"
        path.write_text("\n".join(lines) + "\n")
        tables[f"{short}_mapping_file_path"] = str(path)
    weights = {f"w_inclip_{short}": WEIGHT_IN_CLIP for short in ("sb", "bg")}
    weights |= {f"w_clip2clip_{short}": WEIGHT_CLIP_TO_CLIP for short in ("sb", "bg")}
    path = folder / "slow_fast_params.yaml"
    path.write_text(json.dumps(weights))  # JSON is YAML
    return {"slow_fast_eval_config": str(path), **tables}


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(source.resolve())


def _link_archive(file: LayoutFile, target: Path) -> None:
    """Provide a TorchScript archive; one of other content than the published as tensors alone.

    The official code would run what an archive brings along (`checked_jit`).
    """
    if file_sha256(file.path) == file.sha256:
        _link(file.path, target)
        return
    import torch

    target.parent.mkdir(parents=True, exist_ok=True)
    torch.save(read_torchscript(file.path), target)


def _repository(of_user: Path, hub: Path, name: str, stand_in: str) -> None:
    target = hub / f"facebookresearch_{name}"
    hub.mkdir(parents=True, exist_ok=True)
    if of_user.is_dir():
        target.symlink_to(of_user.resolve())
        return
    target.mkdir()
    (target / "hubconf.py").write_text(stand_in)


def _projection(of_user: Path, target: Path) -> None:
    """Provide the projection head that DreamSim reads but the ensemble never uses: zeros."""
    import torch

    if of_user.is_file():
        _link(of_user, target)
        return
    head = {f"module.head.{name}": torch.zeros(shape) for name, shape in _HEAD_SHAPES.items()}
    torch.save({"student": head}, target)
