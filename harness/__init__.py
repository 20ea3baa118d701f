"""Longtake: a benchmark and evaluation harness for long autoregressive video generation.

The names in `__all__` are the public Python API, written in `harness/api`. They are imported when
they are first used, so that `import harness` stays fast and loads no torch, pandas or Hydra.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from harness.core.own_packages import install_finder
from harness.core.version import __version__

install_finder()
# By default libgomp's threads spin so long that a busy machine slows down fiftyfold. Torch reads
# this when it is imported.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

if TYPE_CHECKING:
    from backbones.engine.backbone import Backbone
    from backbones.engine.block import Block
    from harness.api.outputs import (
        Votes,
        count_votes,
        export,
        fidelity,
        grid,
        judge,
        vote_page,
    )
    from harness.api.pages import report
    from harness.api.recordings import replay
    from harness.api.result import Result
    from harness.api.rollouts import load_backbone, load_method, rollout
    from harness.api.runs import generate, sweep
    from harness.api.scoring import score_store, score_videos
    from harness.api.store import Store, open_store
    from harness.core.errors import (
        ClusterError,
        ConfigError,
        DeviceError,
        DeviceLost,
        DiskError,
        EnvironmentFailed,
        LongtakeError,
        MissingWeights,
        PlanError,
        StoreError,
        TrainingDiverged,
        UnknownName,
        WorkFailed,
    )
    from harness.core.events import Listener
    from harness.store.record import Record
    from harness.studies.replay import ReplayResult
    from methods.base import ContextPlan, MemoryStrategy

_ERRORS = (
    "LongtakeError",
    "ConfigError",
    "UnknownName",
    "MissingWeights",
    "PlanError",
    "StoreError",
    "WorkFailed",
    "TrainingDiverged",
    "EnvironmentFailed",
    "ClusterError",
    "DeviceError",
    "DeviceLost",
    "DiskError",
)
_OUTPUTS = ("Votes", "count_votes", "export", "fidelity", "grid", "judge", "vote_page")
_MODULES = {
    "sweep": "harness.api.runs",
    "generate": "harness.api.runs",
    "score_videos": "harness.api.scoring",
    "score_store": "harness.api.scoring",
    "open_store": "harness.api.store",
    "report": "harness.api.pages",
    **dict.fromkeys(_OUTPUTS, "harness.api.outputs"),
    "load_backbone": "harness.api.rollouts",
    "load_method": "harness.api.rollouts",
    "rollout": "harness.api.rollouts",
    "replay": "harness.api.recordings",
    "Result": "harness.api.result",
    "Store": "harness.api.store",
    "Record": "harness.store.record",
    "ReplayResult": "harness.studies.replay",
    "Backbone": "backbones.engine.backbone",
    "Block": "backbones.engine.rollout",
    "ContextPlan": "methods.base",
    "MemoryStrategy": "methods.base",
    "Listener": "harness.core.events",
    **dict.fromkeys(_ERRORS, "harness.core.errors"),
}

__all__ = [
    "Backbone",
    "Block",
    "ClusterError",
    "ConfigError",
    "ContextPlan",
    "DeviceError",
    "DeviceLost",
    "DiskError",
    "EnvironmentFailed",
    "Listener",
    "LongtakeError",
    "MemoryStrategy",
    "MissingWeights",
    "PlanError",
    "Record",
    "ReplayResult",
    "Result",
    "Store",
    "StoreError",
    "TrainingDiverged",
    "UnknownName",
    "Votes",
    "WorkFailed",
    "__version__",
    "count_votes",
    "export",
    "fidelity",
    "generate",
    "grid",
    "judge",
    "load_backbone",
    "load_method",
    "open_store",
    "replay",
    "report",
    "rollout",
    "score_store",
    "score_videos",
    "sweep",
    "vote_page",
]


if not TYPE_CHECKING:  # a type checker sees the imports above and refuses any other name

    def __getattr__(name: str) -> Any:
        """Import a public name when it is first used."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_MODULES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
