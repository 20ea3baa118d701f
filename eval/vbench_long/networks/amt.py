"""AMT-S (Li et al., 2023), which interpolates every second frame from its neighbours."""

from __future__ import annotations

import importlib
from collections.abc import Callable

import numpy as np

from eval.clip import Clip, at_ends
from eval.errors import MetricUnavailable
from eval.networks.torch_network import TorchNetwork, batch_size, ready
from eval.networks.weights import read_state
from eval.vbench_long.layout import AMT_S


class Amt(TorchNetwork):
    """Mean absolute error of every interpolated frame, 0..255: (pair of even frames,)."""

    name = "amt_s"
    size_mib = 15
    packages = ("vbench",)
    files = (AMT_S,)

    def work_mib(self, clip: Clip) -> int:
        """Return the memory of activations at the frames' resolution: 2.5 KiB a pixel, measured."""
        return int(2.5 * clip.frames_FHWC[0, ..., 0].size) // 1024

    def build(self, device: str) -> Callable[[Clip], np.ndarray]:
        errors_of = self._interpolation(device)

        def errors(clip: Clip) -> np.ndarray:
            if len(clip.frames_FHWC) < 3:
                raise MetricUnavailable(
                    f"a clip of {len(clip.frames_FHWC)} frames is too short to interpolate; "
                    "expected at least 3"
                )
            return errors_of(clip.frames_FHWC)

        return errors

    def _interpolation(self, device: str) -> Callable[[np.ndarray], np.ndarray]:
        """Load the network and return what gives the error of every second of some frames."""
        import cv2
        import torch
        from torch.nn import functional

        module = importlib.import_module("vbench.third_party.amt.networks.AMT-S")
        network = module.Model(corr_radius=3, corr_lvls=4, num_flows=3)
        network.load_state_dict(read_state(AMT_S.path)["state_dict"])
        ready(network, device)
        halfway = torch.tensor(0.5).view(1, 1, 1, 1).to(device)
        size = batch_size(device, on_cpu=1, on_gpu=8)

        def errors(frames_FHWC: np.ndarray) -> np.ndarray:
            even_FHWC, odd_FHWC = frames_FHWC[::2], frames_FHWC[1::2]
            height, width = even_FHWC.shape[1:3]
            pads = _to_multiple(width, 16) + _to_multiple(height, 16)
            top, left = pads[2], pads[0]
            known: list[float] = []
            for start in range(0, len(even_FHWC) - 1, size):
                frames = torch.from_numpy(even_FHWC[start : start + size + 1]).to(device)
                images_FCHW = functional.pad(
                    frames.permute(0, 3, 1, 2) / 255.0, pads, mode="replicate"
                )
                times = halfway.expand(len(frames) - 1, 1, 1, 1)
                between = network(images_FCHW[:-1], images_FCHW[1:], times, eval=True)
                guessed = between["imgt_pred"][..., top : top + height, left : left + width]
                # Truncated to whole values, not rounded, as in the official code.
                guessed_FHWC = (guessed * 255.0).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
                for place, image_HWC in enumerate(guessed_FHWC.cpu().numpy(), start=start):
                    known.append(float(np.mean(cv2.absdiff(odd_FHWC[place], image_HWC))))
            return np.array(known)

        return errors


def _to_multiple(length: int, divisor: int) -> tuple[int, int]:
    """Return the padding before and after."""
    missing = -length % divisor
    return missing // 2, missing - missing // 2


class WholeAmt(Amt):
    """The same over a whole video: per frame of the clip, the error of the frame before it.

    Known where the clip's frame is the later one of two even frames of the video, NaN elsewhere:
    (frame,). The frames before the clip let the last even frame of one clip meet the first of the
    next.
    """

    name = "amt_s_whole"
    reads_before = True

    def build(self, device: str) -> Callable[[Clip], np.ndarray]:
        errors_of = self._interpolation(device)

        def errors(clip: Clip) -> np.ndarray:
            return at_ends(clip, 2, errors_of)

        return errors


AMT = Amt()
WHOLE_AMT = WholeAmt()
