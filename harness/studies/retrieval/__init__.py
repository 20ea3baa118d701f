"""The retrieval study: videos with known revisits, searched by every encoder."""
