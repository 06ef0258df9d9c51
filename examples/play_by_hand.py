"""Play a few rounds of the AEC game with rational followers, the oracle beside them."""

import numpy as np

import aigc_market

env = aigc_market.env(K=3, satisfaction=[100.0, 200.0, 300.0], max_cycles=5, render_mode="ansi")
env.reset(seed=0)
earned = 0.0
for agent in env.agent_iter():
    observation, reward, terminated, truncated, info = env.last()
    if agent == "asp_0":
        earned += reward
    if terminated or truncated:
        env.step(None)
    elif agent == "asp_0":
        if info:
            print(env.render(), end="\n\n")
        env.step(env.action_space(agent).sample())
    else:
        vmu = env.possible_agents.index(agent) - 1
        price = observation[1]
        steps = aigc_market.best_response(env.market, price)[vmu]
        env.step(np.array([steps], dtype=np.float32))

best = env.equilibrium
print(f"Random prices earned {earned:.0f} in 5 rounds; the equilibrium price, {best.price:.3f},")
print(f"earns {5 * best.asp_utility:.0f}. It sells {np.round(best.steps, 1)} steps a round.")
