"""What sellers that learn beside each other do: `python -m baselines compete`."""
