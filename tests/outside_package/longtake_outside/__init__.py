"""Plug-ins for Longtake from another distribution."""
