"""Tabular Q-learning of several providers on a grid of prices, compiled, and what was learned."""
