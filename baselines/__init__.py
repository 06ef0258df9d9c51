"""Baselines of the pricing game: `python -m baselines --help`."""
