"""Ground floor: errors, files, registry, machine, weights. Imports nothing of ours."""
