"""Training of the street's VAE and transformer, from rendered videos to weights."""
