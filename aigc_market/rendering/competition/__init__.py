"""Rounds among several providers, as text and frames."""
