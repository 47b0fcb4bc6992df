"""Sendmill: a self-hosted email campaign server."""

__version__ = "0.1.0"
