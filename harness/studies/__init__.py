"""Studies built on sweeps: experiments, encoder training, retrieval, replay and bench."""
