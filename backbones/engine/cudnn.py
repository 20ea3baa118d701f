"""Versions of cuDNN that are not to be trusted."""

from __future__ import annotations

import torch

# Attention reads beyond the end of keys whose number 128 does not divide, as ours (pytorch issues
# 169849, 171627); torch then leaves cuDNN out of its own choice, but not when asked. 3-D
# convolutions in bfloat16 are wrong or take gigabytes of work space (163539, 166643).
LAST_FAULTY_CUDNN = 91500


def cudnn_fault() -> str | None:
    """Return why the installed cuDNN isn't used for attention and 3-D convolutions, or None."""
    version = torch.backends.cudnn.version() or 0
    if version > LAST_FAULTY_CUDNN:
        return None
    return f"cuDNN {version} is faulty up to {LAST_FAULTY_CUDNN}"
