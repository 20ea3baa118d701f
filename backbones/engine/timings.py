"""Time spent on the parts of a block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backbones.engine.lanes import Moment

    Span = tuple[Moment, Moment]


@dataclass(frozen=True)
class BlockTimings:
    """Seconds of the parts of one block, measured on the device.

    Encoding, search and fetch serve the next block. On a GPU they run beside the clean pass; on the
    CPU the parts run one after the other.

    Attributes:
        whole_s: from start to end.
        wait_s: waiting for the fetch, which is the part of it that nothing hid.
        fetch_s: copying retrieved frames to the device.
        switch_s: taking up another prompt and, with `recache`, computing the window again.
        gather_s: rotating keys to their positions.
        denoise_s: all denoising passes.
        encode_s: the strategy observing the clean latents.
        clean_pass_s: the pass that computes keys and values.
        search_s: the strategy planning the next block.
        append_s: storing keys and values.
    """

    whole_s: float
    wait_s: float
    fetch_s: float
    switch_s: float
    gather_s: float
    denoise_s: float
    encode_s: float
    clean_pass_s: float
    search_s: float
    append_s: float


@dataclass(frozen=True)
class BlockMoments:
    """Start and end of every part of a block; the parts are those of BlockTimings."""

    whole: Span
    wait: Span
    fetch: Span
    switch: Span
    gather: Span
    denoise: Span
    encode: Span
    clean_pass: Span
    search: Span
    append: Span

    def timings(self) -> BlockTimings:
        """Return the seconds of every part; waits until the block is finished."""
        names = BlockTimings.__dataclass_fields__
        spans: dict[str, Span] = {name: getattr(self, name.removesuffix("_s")) for name in names}
        return BlockTimings(
            **{name: end.seconds_since(begin) for name, (begin, end) in spans.items()}
        )
