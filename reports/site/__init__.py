"""The leaderboard as a static site: pages, pictures, videos, server."""
