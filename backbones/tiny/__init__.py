"""The embedded backbone: a procedural world, its grammar, and small trained models of it."""
