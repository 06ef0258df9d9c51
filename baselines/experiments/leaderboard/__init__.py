"""Every method in every scenario on the same episodes: `python -m baselines leaderboard`."""
