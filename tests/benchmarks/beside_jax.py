"""Batches of games in JAX, compiled: a scan of steps that keeps what agents see and earn."""

import jax
import jaxmarl
import pgx
from beside_batch import clock
from measure import repeat
from pgx.experimental import auto_reset

STEPS = 16
"""In a scan."""


def _scanned(threads, batch, state, played, given):
    """Scans one after the other, each from where the last one ended."""

    @jax.jit
    def scan(state):
        return jax.lax.scan(lambda state, step: played(state, *step), state, given)

    def play():
        nonlocal state
        state, kept = scan(state)
        jax.block_until_ready(kept)

    return repeat(play, STEPS * batch, clock(threads))


def _keys(batch):
    key = jax.random.key(1)
    return jax.random.split(key, batch), jax.random.split(key, (STEPS, batch))


def pgx_game(threads, name, batch):
    """Steps of a game of Pgx; an illegal move ends a game, as its rules have it."""
    env = pgx.make(name)
    first, keys = _keys(batch)
    step = jax.vmap(auto_reset(env.step, env.init))
    actions = jax.random.randint(jax.random.key(2), (STEPS, batch), 0, env.num_actions)

    def played(state, action, key):
        state = step(state, action, key)
        return state, (state.observation, state.rewards, state.terminated, state.truncated)

    return _scanned(threads, batch, jax.vmap(env.init)(first), played, (actions, keys))


def jaxmarl_game(threads, name, batch):
    """Steps of a game of JaxMARL, which resets those that are done."""
    env = jaxmarl.make(name)
    first, keys = _keys(batch)
    step = jax.vmap(env.step)
    actions = {
        agent: jax.random.randint(
            jax.random.key(number), (STEPS, batch), 0, env.action_space(agent).n
        )
        for number, agent in enumerate(env.agents)
    }

    def played(state, key, action):
        seen, state, rewards, done, _ = step(key, state, action)
        return state, (seen, rewards, done)

    return _scanned(threads, batch, jax.vmap(env.reset)(first)[1], played, (keys, actions))
