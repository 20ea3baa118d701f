"""Networks that metrics share: loading, weights, and the cache of outputs."""
