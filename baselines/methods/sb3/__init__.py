"""PPO, recurrent PPO and TPPO, trained by Stable-Baselines3."""
