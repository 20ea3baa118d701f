"""Running a sweep: stages, workers, generation, executors, estimates."""
