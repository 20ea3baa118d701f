"""The procedural world: grammar, scenes, renderer, ground truth."""
