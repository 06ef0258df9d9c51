"""Bayes methods: what could be earned by a leader who knows the law of the market."""
