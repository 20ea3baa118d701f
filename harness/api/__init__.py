"""The public Python API, one module per subject; import its names from `harness`."""
