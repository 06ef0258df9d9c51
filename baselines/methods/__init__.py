"""Pricing methods on one interface: those that nobody trains, and families of those that are.

What `baselines.arena.registry` names is called with (task, num_envs, seed) and parameters of the
method; where a parameter has no default, `python -m baselines tune` finds it.
"""
