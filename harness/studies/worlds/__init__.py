"""Training of an embedded world: from rendered videos to a backbone."""
