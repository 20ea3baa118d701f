"""RAFT (Teed and Deng, 2020): optical flow for the dynamic degree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.clip import Clip, at_ends
from eval.networks.torch_network import TorchNetwork, batch_size, ready
from eval.networks.weights import read_state
from eval.vbench_long.layout import RAFT_THINGS

if TYPE_CHECKING:
    from torch import Tensor

ITERATIONS = 20
FLOW_FPS = 8
TOP_FRACTION = 0.05


def kept_frames(clip: Clip) -> np.ndarray:
    """Return the frames that the dynamic degree uses, about eight per second."""
    kept: np.ndarray = clip.frames_FHWC[:: flow_step(clip.fps)]
    return kept


def threshold_px(clip: Clip) -> float:
    """Return the length of flow that a pair of frames must exceed to count as moving."""
    return 6.0 * (min(clip.frames_FHWC.shape[1:3]) / 256.0)


def pairs_needed(num_kept: int) -> int:
    """Return the number of moving pairs that makes so many kept frames dynamic."""
    return round(4 * (num_kept / 16.0))


def is_dynamic(radii_px: np.ndarray, clip: Clip) -> bool | None:
    """Return whether enough pairs move; None while the remaining pairs may still decide it."""
    moving = int(np.sum(radii_px > threshold_px(clip)))
    num_kept = len(kept_frames(clip))
    left, needed = num_kept - 1 - len(radii_px), pairs_needed(num_kept)
    # The official loop tests after each pair, so a clip that needs no moving pair is dynamic at its
    # first pair, and one without any pair is not.
    if len(radii_px) and moving >= needed:
        return True
    return None if left and moving + left >= needed else False


def flow_step(fps: int) -> int:
    """Return the distance of the frames that the dynamic degree uses, about 1/8 s."""
    return max(1, round(fps / FLOW_FPS))


class Raft(TorchNetwork):
    """Mean length of the longest 5 % of the flow, per pair of kept frames: (pair,).

    Unlike the official code it encodes each frame once, makes only the last of the 20 up-samplings,
    and stops when the remaining pairs cannot change the answer. The answer is the same.

    Args:
        every_pair: do not stop early.
    """

    size_mib = 25
    packages = ("vbench",)
    files = (RAFT_THINGS,)

    def __init__(self, every_pair: bool = False) -> None:
        self._every_pair = every_pair
        self.name = "raft_all" if every_pair else "raft"

    def work_mib(self, clip: Clip) -> int:
        """Return four times the memory of the correlations between all pairs of points."""
        num_points = clip.frames_FHWC[0, ..., 0].size // 64
        return 4 * 4 * num_points**2 // 2**20

    def build(self, device: str) -> Callable[[Clip], np.ndarray]:
        radii_of = self._flow(device)

        def radii(clip: Clip) -> np.ndarray:
            known = np.zeros(0)
            for batch in radii_of(kept_frames(clip)):
                known = np.concatenate([known, batch])
                if not self._every_pair and is_dynamic(known, clip) is not None:
                    break
            return known

        return radii

    def _flow(self, device: str) -> Callable[[np.ndarray], Iterator[np.ndarray]]:
        """Load the network and return what yields the radii of consecutive frames, by batches."""
        from easydict import EasyDict
        from vbench.third_party.RAFT.core.raft import RAFT

        settings = EasyDict(small=False, mixed_precision=False, alternate_corr=False)
        network = RAFT(settings)
        state = read_state(RAFT_THINGS.path)
        network.load_state_dict({key.removeprefix("module."): v for key, v in state.items()})
        ready(network, device)
        size = batch_size(device, on_cpu=1, on_gpu=4)
        return lambda frames_FHWC: _radii(network, frames_FHWC, size, device)


def _radii(network: Any, frames_FHWC: np.ndarray, size: int, device: str) -> Iterator[np.ndarray]:
    """Yield the radii of `size` pairs at a time; the frame between two batches is encoded twice."""
    import torch
    from vbench.third_party.RAFT.core.utils_core.utils import InputPadder

    for start in range(0, len(frames_FHWC) - 1, size):
        part = torch.from_numpy(frames_FHWC[start : start + size + 1]).to(device)
        images_FCHW = part.permute(0, 3, 1, 2).float()
        (padded_FCHW,) = InputPadder(images_FCHW.shape).pad(images_FCHW)
        yield from _top_radii(_flow(network, padded_FCHW))


def _flow(network: Any, images_FCHW: Tensor) -> Tensor:
    """Return the flow (pair, 2, height, width) between consecutive images."""
    import torch
    from vbench.third_party.RAFT.core.corr import CorrBlock

    images_FCHW = (2 * (images_FCHW / 255.0) - 1.0).contiguous()
    encoded_FDHW = network.fnet(images_FCHW).float()
    correlation = CorrBlock(encoded_FDHW[:-1].contiguous(), encoded_FDHW[1:].contiguous(), radius=4)
    context = network.cnet(images_FCHW[:-1])
    state, given = torch.split(context, [network.hidden_dim, network.context_dim], dim=1)
    state, given = torch.tanh(state), torch.relu(given)
    start, now = network.initialize_flow(images_FCHW[:-1])
    block = network.update_block
    for _ in range(ITERATIONS):
        motion = block.encoder(now - start, correlation(now))
        state = block.gru(state, torch.cat([given, motion], dim=1))
        now = now + block.flow_head(state)
    flow: Tensor = network.upsample_flow(now - start, 0.25 * block.mask(state))
    return flow


def _top_radii(flow_PXHW: Tensor) -> Iterator[np.ndarray]:
    lengths_PN = flow_PXHW.square().sum(dim=1).sqrt().flatten(1)
    count = int(TOP_FRACTION * lengths_PN.shape[1])
    yield lengths_PN.topk(count, dim=1).values.double().mean(dim=1).cpu().numpy()


class WholeRaft(Raft):
    """The same over a whole video: per frame of the clip, the radius at the later of a pair.

    NaN at frames where no pair of kept frames of the video ends: (frame,).
    """

    reads_before = True

    def __init__(self) -> None:
        super().__init__(every_pair=True)
        self.name = "raft_whole"

    def build(self, device: str) -> Callable[[Clip], np.ndarray]:
        radii_of = self._flow(device)

        def radii(clip: Clip) -> np.ndarray:
            step = flow_step(clip.fps)

            def of_frames(frames_FHWC: np.ndarray) -> np.ndarray:
                # Below 128 px RAFT gives no number, which the official code counts as no motion.
                return np.nan_to_num(np.concatenate(list(radii_of(frames_FHWC[::step]))))

            return at_ends(clip, step, of_frames)

        return radii


RAFT_NETWORK = Raft()
WHOLE_RAFT = WholeRaft()
