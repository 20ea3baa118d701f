"""Planning: from the missing work of a sweep to job arrays with resource requests."""
