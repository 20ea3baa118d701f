"""Models of the Wan2.1 architecture: causal transformer, VAE, text encoder, releases."""
