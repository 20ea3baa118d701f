"""The causal Wan transformer, any size."""
