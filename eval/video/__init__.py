"""Video files: decoding, the clip split, encoding of clips, degradations."""
