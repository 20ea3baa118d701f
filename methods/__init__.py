"""Memory strategies: which past latent frames the attention of a block sees."""

from harness.core.registry import Registry

METHODS = Registry(
    "method",
    {
        "sliding_window": "methods.sliding_window:SlidingWindow",
        "native": "methods.native:Native",
        "rag": "methods.rag:Rag",
        "successor": "methods.successor:Successor",
        "random": "methods.controls:Random",
        "uniform": "methods.controls:Uniform",
        "recency": "methods.controls:Recency",
        "oldest": "methods.controls:Oldest",
        "lag": "methods.controls:Lag",
        "oracle": "methods.controls:Oracle",
        "external": "methods.external:External",
        "infinity_rope": "methods.published.infinity_rope:InfinityRope",
        "deep_sink": "methods.published.deep_sink:DeepSink",
        "rolling_sink": "methods.published.rolling_sink:RollingSink",
        "relax": "methods.published.relax:Relax",
        "deep_forcing": "methods.published.deep_forcing:DeepForcing",
        "memflow": "methods.published.memflow:MemFlow",
        "tethercache": "methods.published.tethercache:TetherCache",
        "head_split": "methods.published.head_split:HeadSplit",
        "ema_sink": "methods.published.ema_sink:EmaSink",
        "memrope": "methods.published.memrope:MemRope",
        "fademem": "methods.published.fademem:FadeMem",
        "random_merge": "methods.merge_controls:RandomMerge",
        "merged_sink": "methods.merge_controls:MergedSink",
        "street_oracle": "backbones.street.oracle:StreetOracle",
    },
    group="longtake.methods",
    contract=("reset", "observe", "plan"),
)
