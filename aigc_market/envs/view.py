"""What all views of one game have in common: its market, its oracle, its records, its frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import logger

from aigc_market.envs.settings import RENDER_FPS

NOT_BEGUN = "reset() needs to be called before step"
OVER = "the episode is over: reset() needs to be called before the next step"


class View:
    """A mixin of the environments that play one game on floats."""

    settings: Any
    max_cycles: int
    _episode: Any
    """Of the game, from the first reset on; None before."""
    _screen: Any
    """What draws rounds; None where nothing is drawn."""

    @property
    def market(self) -> Any:
        """The market in force; before the first episode, the one the arguments describe."""
        return self._episode.market if self._episode else self.settings.market

    @property
    def oracle(self) -> Any:
        """What is best in `market`, solved when it is first asked for."""
        return self._episode.oracle if self._episode else self.settings.oracle

    def round_record(self) -> Any:
        """The record of the last round played, as `aigc_market.replay` writes it.

        None before the first round of an episode is over.
        """
        if self._episode is None or self._episode.round == 0:
            return None
        return self._episode.record(self.max_cycles)

    def close(self) -> None:
        """Close the window of mode "human"."""
        if self._screen is not None:
            self._screen.close()

    def _take_frame(self) -> None:
        """Tell the screen, if there is one, of the last round or of a new episode."""
        if self._screen is not None:
            self._screen.add(self._episode.record(self.max_cycles))

    def _show(self) -> str | np.ndarray | None:
        if self._screen is None:
            logger.warn("render() shows nothing without a render_mode")
            return None
        return self._screen.show()


def screen(mode: str | None) -> Any:
    """What draws rounds in a render mode; None where nothing is drawn."""
    if mode is None:
        return None
    from aigc_market.rendering import Screen  # for those alone who draw: it takes time to import

    return Screen(mode, RENDER_FPS)
