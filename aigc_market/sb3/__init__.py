"""For Stable-Baselines3: the adapter of the vector environment, and the transformer policy."""
