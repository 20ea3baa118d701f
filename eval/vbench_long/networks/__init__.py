"""The networks of VBench-Long, one module each; importing one imports no package of the extra."""
