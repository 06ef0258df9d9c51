"""Methods that nobody has to train, made for a task: what the registry names."""

from __future__ import annotations

from functools import partial
from typing import Any

from baselines import methods
from baselines.arena.protocol import Method
from baselines.arena.task import Task


def _make(name: str, task: Task, num_envs: int, seed: int, **parameters: Any) -> Method:
    return methods.make(name, task.scenario, task.public(), num_envs, seed, **parameters)


greedy = partial(_make, "greedy")
random = partial(_make, "random")
constant = partial(_make, "constant")
epsilon_greedy = partial(_make, "epsilon_greedy")
cils = partial(_make, "cils")
cils_discounted = partial(_make, "cils_discounted")
controlled_variance = partial(_make, "controlled_variance")
thompson = partial(_make, "thompson")
kalman_total = partial(_make, "kalman_total")
kalman = partial(_make, "kalman")
bayes = partial(_make, "bayes")
bayes_thompson = partial(_make, "bayes_thompson")
bayes_information = partial(_make, "bayes_information")
