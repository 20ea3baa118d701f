"""A memory strategy of your own: every n-th old frame, compared with a window and retrieval.

Run it with `python own_strategy.py`, or name the class on the command line, in this folder:
`python -m harness sweep method=own_strategy:EveryOther,rag duration=30`
"""

from collections.abc import Sequence
from dataclasses import dataclass

import harness
from methods.retrieval import Retrieval, Selection


@dataclass
class EveryOther(Retrieval):
    """Every n-th candidate, newest first.

    Args:
        step_latents: distance between two retrieved frames.
    """

    step_latents: int = 2

    def select(self, candidates: Sequence[int], first_frame: int) -> Selection:
        """Choose old frames for the block that begins at latent frame `first_frame`."""
        return Selection(tuple(candidates[:: -self.step_latents][: self.memory_latents]), None)


if __name__ == "__main__":
    result = harness.sweep(
        "backbone.denoising_step_list=[1000]",  # one step instead of seven, for a quick look
        name="own_strategy",
        method=["sliding_window", "rag", "own_strategy:EveryOther"],
        duration=9,
        prompts={"num": 1},
        suite=["sharpness_retention", "flicker_stability"],
        progress=True,
    )
    print(result.store.scores.pivot_table(index="method", columns="metric", values="value"))
    traces = result.store.traces
    last = traces[(traces["role"] == "memory") & (traces["block"] == traces["block"].max())]
    print(last.groupby("method")["frame"].agg(list))  # retrieved frames of the last block
