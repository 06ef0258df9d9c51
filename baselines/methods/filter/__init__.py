"""A learned Bayes filter of demand, and transformers that price on top of it."""
