"""Pages of studies: ablations, retrieval, training curves."""
