"""Self-test of every path that a GPU takes: numbers against the CPU, order, memory, speed.

It needs only torch, numpy, safetensors and rich, so that it runs where nothing else is installed
(`make gpu-bundle`). Each check runs on the CPU too, with small models.
"""
