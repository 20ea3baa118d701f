"""Which GPUs worker processes may use."""

from __future__ import annotations

import os


def visible_gpus(device: str) -> list[str]:
    """GPUs for a device setting, as CUDA_VISIBLE_DEVICES names them; empty on the processor.

    A cluster hands a job some of a node's GPUs through that variable, so it is indexed into.
    """
    if device == "cpu":
        return []
    import torch

    count = torch.cuda.device_count()
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = given.split(",")[:count] if given else [str(index) for index in range(count)]
    _, _, index = device.partition(":")
    return [names[int(index)]] if index else names
