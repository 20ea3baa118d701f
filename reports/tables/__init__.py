"""Comparison tables: rows, ranks, differences, drift, exports."""
