"""Followers that learn to choose contracts: what they see, how they choose, where they learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from torch import Tensor, nn
from torch.distributions import Categorical
from torchrl.modules import MLP

from aigc_market import menus
from aigc_market.envs.game import reciprocals
from aigc_market.envs.menus import Settings
from aigc_market.market import Market
from aigc_market.torchrl import MarketEnv
from baselines.followers.games import BEYOND, LearningGames
from baselines.followers.policy import LEAST, WIDTH, middle_of, observe, sees

FEES = 3
"""Power of shares of F by which fees are drawn: most of what F admits is too dear for everybody."""


class ChoiceNetwork(nn.Module):
    """What VMUs see, (…, n), to the contract that each takes, (…): 0 for none.

    All share it, and it looks at contracts one by one: what it finds of a contract does not depend
    on the contract's place. It reads logarithms, as `FollowerNetwork` does.

    Args:
        space: of what a VMU sees, the 2L numbers of the menu last.
        contracts: L.
    """

    middle: Tensor

    def __init__(self, space: Box, contracts: int) -> None:
        super().__init__()
        self.contracts = contracts
        self.register_buffer("middle", middle_of(space), persistent=False)
        own = space.shape[0] - 2 * contracts
        self.worth = MLP(own + 2, 1, depth=2, num_cells=WIDTH, activation_class=nn.Tanh)

    def logits(self, seen: Tensor) -> Tensor:
        """(…, L + 1) of taking none, which is 0, and of each contract."""
        numbers = seen.clamp(min=LEAST).log() - self.middle
        menu = numbers[..., -2 * self.contracts :].unflatten(-1, (self.contracts, 2))
        own = numbers[..., None, : -2 * self.contracts].expand(*menu.shape[:-1], -1)
        return nn.functional.pad(self.worth(torch.cat([own, menu], dim=-1))[..., 0], (1, 0))

    def forward(self, seen: Tensor) -> Tensor:
        """The likeliest."""
        return self.logits(seen).argmax(dim=-1)

    def tried(self, seen: Tensor, deviation: float) -> Categorical:
        """What is taken in order to learn: anything at all in this share of the choices."""
        likely = self.logits(seen).softmax(dim=-1)
        return Categorical((1.0 - deviation) * likely + deviation / (self.contracts + 1))


@dataclass(frozen=True)
class Choosers:
    """VMUs that choose as a network says; a follower policy of the single-agent views.

    A VMU sees its own δ, its α and β where a scenario draws them, and the menu, in [0, 1]: what it
    takes to choose, and nothing of the past.
    """

    network: ChoiceNetwork
    settings: Settings
    """Of the market that they choose in."""

    def __call__(self, market: Market, menu: Any, rng: np.random.Generator) -> np.ndarray:
        """Numbers of contracts (…, K) of menus (…, L, 2), without exploring."""
        numbers = np.reshape(menu, (*np.shape(menu)[:-2], -1))
        seen = observe(self.settings, market, *np.moveaxis(numbers, -1, 0))
        with torch.no_grad():
            return self.network(torch.from_numpy(seen)).numpy()


class MenuGames(LearningGames):
    """N games in which a leader posts menus, actions (…, 2L) in [−1, 1], paid one round later.

    What they call prices are menus here, and what is bought is the number of a contract.

    Args:
        arguments: keyword arguments of the environments.
        num_envs: N.
        history: rounds that the leader sees.
    """

    def __init__(self, arguments: dict[str, Any], num_envs: int, history: int) -> None:
        given = {**arguments, "history": history, "normalize": True, "scale_rewards": True}
        self.env = MarketEnv(num_envs, "menus", state=False, judged=False, **given)
        settings: Any = self.env.settings
        self.K, self.contracts = settings.market.K, settings.contracts
        self._sees = sees(settings).shape[0]
        self._most = torch.tensor([settings.market.max_steps, settings.fee_bound])

    def _observe(self, data: Any) -> None:
        self.observed = data["asp", "observation"][:, 0, 2 * self.contracts :]
        self.seen = data["vmu", "observation"][..., : self._sees]

    @property
    def price(self) -> Tensor:
        """(N, 2L) in force."""
        return 2.0 * self.seen[:, 0, -2 * self.contracts :] - 1.0

    def prices(self, drawn: int) -> Tensor:
        """(1 + drawn, N, 2L): the menus in force, and others drawn."""
        shares = BEYOND * torch.rand(drawn, self.env.num_envs, self.contracts, 2)
        shares[..., 1] = shares[..., 1] ** FEES
        others = (2.0 * shares - 1.0).clamp(max=1.0).flatten(-2)
        return torch.cat([self.price[None], others])

    def seen_at(self, prices: Tensor) -> Tensor:
        """(…, N, K, n) what followers would see of menus (…, N, 2L)."""
        shown = (0.5 * prices + 0.5)[..., None, :]
        known = self.seen[..., : -2 * self.contracts]
        known = known.expand(*prices.shape[:-2], *known.shape)
        return torch.cat([known, shown.expand(*known.shape[:-1], -1)], dim=-1)

    def rational(self, prices: Tensor) -> Tensor:
        """(…, N, K) contracts that are best of menus (…, N, 2L)."""
        return menus.choose(self.env.market, self._contracts(prices))

    def surplus(self, prices: Tensor, bought: Tensor) -> Tensor:
        """(…, N, K) surplus of contracts (…, P, N, K) of menus (P, N, 2L), in one unit for all."""
        settled = menus.settle_rational(self.env.market, self._contracts(prices))
        worths = torch.stack(settled.terms.worths(settled.menu)).movedim((0, 1), (-1, -2))
        worths = worths.expand(*bought.shape, -1)
        own = worths.gather(-1, bought[..., None])[..., 0]
        return own * reciprocals(settled.terms.most.mean())

    def best(self, discount: float) -> Tensor:
        """(N, 2L) the best menus of the markets at hand, at so much less for each contract."""
        found = menus.solve_menu(self.env.market, self.contracts).menu / self._most
        found[..., 1] *= 1.0 - discount
        menu = 2.0 * found.flatten(-2) - 1.0
        return menu.expand(self.env.num_envs, -1).to(self.seen)

    def _actions(self, bought: Tensor) -> Tensor:
        return bought

    def _contracts(self, prices: Tensor) -> Tensor:
        """(…, L, 2) steps and fees."""
        shares = 0.5 * prices.clamp(-1.0, 1.0) + 0.5
        return shares.unflatten(-1, (self.contracts, 2)) * self._most
