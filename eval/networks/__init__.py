"""Networks as metrics use them: loading, features, weights, the cache of outputs."""
