"""The given beginning of a video: latents from a file, or a video that the VAE encodes.

It is the first segment of a script. Its blocks are replayed by clean passes instead of denoised.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from backbones.engine.spec import GivenKind
from harness.core.errors import ConfigError

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from backbones.engine.backbone import Backbone
    from backbones.engine.script import Script
    from backbones.engine.spec import BackboneSpec, Geometry

LATENTS = ".safetensors"


def check_prefix(script: Script, spec: BackboneSpec, num_latents: int) -> None:
    """Refuse a given beginning that doesn't fit, without loading it.

    Args:
        script: the script; without a given segment nothing is checked.
        spec: the backbone.
        num_latents: latent frames of the longest video asked for.

    Raises:
        ConfigError: the backbone can't continue such a file, it has no whole blocks, leaves nothing
            to make, or its file is missing, or has another size, length or frame rate.
    """
    if script.given is None:
        return
    if spec.given is GivenKind.none:
        raise ConfigError(
            f"{spec.name} makes whole videos; it can't continue the given segment {script.given!r}."
        )
    path = Path(script.given)
    if path.suffix != LATENTS and spec.given is not GivenKind.videos:
        raise ConfigError(
            f"{spec.name} has no video encoder; give latents ({LATENTS}) instead of "
            f"{script.given!r}."
        )
    length, block_s = prefix_latents(script, spec), spec.block_latents / spec.geometry.latents_per_s
    seconds = script.segments[0].seconds
    exact = seconds * spec.geometry.latents_per_s
    if abs(exact - length) > 1e-6 or length % spec.block_latents:
        raise ConfigError(
            f"The given segment lasts {seconds:g} s, which is not a whole number of blocks of "
            f"{block_s:g} s ({spec.block_latents} latents of {spec.name})."
        )
    if length >= num_latents:
        raise ConfigError(
            f"The given segment lasts {seconds:g} s: a longer duration leaves something to make."
        )
    if not path.is_file():
        raise ConfigError(f"The given segment: there is no file {script.given!r}.")
    geometry = spec.geometry
    if path.suffix == LATENTS:
        found: object = tuple(_read_latents(path).shape)
        expected: object = (length, *geometry.latent_shape)
        what = "latents of shape"
    else:
        found = _video_facts(path)
        expected = (geometry.num_frames(length), geometry.width, geometry.height, geometry.fps)
        what = "frames, width, height, fps of"
    if found != expected:
        raise ConfigError(
            f"The given segment {script.given!r}: {what} {found}; {spec.name} needs {expected} for "
            f"{seconds:g} s."
        )


def prefix_latents(script: Script, spec: BackboneSpec) -> int:
    """Return the latent frames of the given segment; 0 without one."""
    if script.given is None:
        return 0
    return round(script.segments[0].seconds * spec.geometry.latents_per_s)


def load_prefix(
    script: Script, backbone: Backbone, num_latents: int
) -> Float[Tensor, "frame chan height width"] | None:
    """Return the clean latents of the given segment; None without one.

    Raises:
        ConfigError: see `check_prefix`.
    """
    check_prefix(script, backbone.spec, num_latents)
    if script.given is None:
        return None
    path = Path(script.given)
    if path.suffix == LATENTS:
        return _read_latents(path)
    assert backbone.encode_video is not None
    video = _read_video(path, backbone.spec.geometry, prefix_latents(script, backbone.spec))
    return backbone.encode_video(video).float().cpu()


def _read_latents(path: Path) -> Tensor:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)["latents"].float()
    except (SafetensorError, KeyError) as error:
        raise ConfigError(f"{path}: no file with a tensor 'latents' ({error}).") from error


def _video_facts(path: Path) -> tuple[int, int, int, Fraction]:
    import av

    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            frames = sum(1 for _ in container.decode(stream))
            return frames, stream.width, stream.height, Fraction(stream.average_rate or 0)
    except (av.FFmpegError, IndexError) as error:
        raise ConfigError(f"{path}: not a video ({error}).") from error


def _read_video(
    path: Path, geometry: Geometry, num_latents: int
) -> Float[Tensor, "frame 3 height width"]:
    import av
    import torch

    video = torch.empty(geometry.num_frames(num_latents), geometry.height, geometry.width, 3)
    with av.open(str(path)) as container:
        for pixels, frame in zip(video, container.decode(video=0), strict=True):
            # In place: a copy of half a minute of 832 x 480 takes 2.3 GB.
            pixels.copy_(torch.from_numpy(frame.to_ndarray(format="rgb24"))).div_(127.5).sub_(1)
    return video.permute(0, 3, 1, 2)
