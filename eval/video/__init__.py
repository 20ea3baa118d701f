"""Video files: decoding, the clip split, re-encoding, degradations."""
