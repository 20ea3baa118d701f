"""Where the time of a block went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backbones.engine.lanes import Moment

    Span = tuple[Moment, Moment]


@dataclass(frozen=True)
class BlockTimings:
    """Time of the parts of one block, in seconds, as the device spent it.

    Encoding, search and fetch serve the next block. On a GPU they run beside the clean pass; on the
    processor everything happens one after the other.

    Attributes:
        whole_s: from begin to end.
        wait_s: waiting for the fetch: the part of it that wasn't hidden.
        fetch_s: copying retrieved frames to the device.
        gather_s: rotating keys to their positions.
        denoise_s: all denoising passes.
        encode_s: the strategy taking note of the clean latents.
        clean_pass_s: the pass that makes keys and values.
        search_s: the strategy planning the next block.
        append_s: keeping keys and values.
    """

    whole_s: float
    wait_s: float
    fetch_s: float
    gather_s: float
    denoise_s: float
    encode_s: float
    clean_pass_s: float
    search_s: float
    append_s: float


@dataclass(frozen=True)
class BlockMoments:
    """Begin and end of every part of a block; see BlockTimings."""

    whole: Span
    wait: Span
    fetch: Span
    gather: Span
    denoise: Span
    encode: Span
    clean_pass: Span
    search: Span
    append: Span

    def timings(self) -> BlockTimings:
        """Seconds of every part; waits until the block is finished."""
        names = BlockTimings.__dataclass_fields__
        spans: dict[str, Span] = {name: getattr(self, name.removesuffix("_s")) for name in names}
        return BlockTimings(
            **{name: end.seconds_since(begin) for name, (begin, end) in spans.items()}
        )
