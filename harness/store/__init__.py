"""The run store: its paths, units, records, traces, scores, and the read model."""
