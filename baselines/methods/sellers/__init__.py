"""Providers that learn beside each other: every seat's learner, and how they train in lockstep."""
