"""Do learning sellers collude? Calvano et al. (2020), replicated: `python -m baselines calvano`."""
