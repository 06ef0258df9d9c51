"""Deep sellers on continuous prices and exact best replies: `python -m baselines sessions`."""
