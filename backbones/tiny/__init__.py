"""The embedded backbone: small trained models of the procedural world."""
