"""Ground floor, importable from everywhere: errors, files, registry, machine, weights."""
