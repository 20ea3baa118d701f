"""The rollout engine: blocks, K/V store, attention, noise, sampler."""
