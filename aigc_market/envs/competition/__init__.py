"""Views of the game of several providers."""
