"""Providers that learn beside each other: learners, how they are trained, scripted rivals."""
