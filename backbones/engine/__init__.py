"""The rollout engine: blocks, K/V store, attention, noise, sampler, and its model protocol."""
