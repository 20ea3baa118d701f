"""Self-test of every path that a GPU takes: numbers against the processor, order, memory, speed.

It needs only torch, numpy, safetensors and rich, so that it runs where nothing else is installed
(`make gpu-bundle`). Each check runs on the processor too, with small models.
"""
