"""Rounds as text, frames and a window, from plain records: nothing here knows an environment."""

from __future__ import annotations

from aigc_market.rendering.rounds import CompetitionRound, MenuRound, Round
from aigc_market.rendering.screen import Screen

__all__ = ["CompetitionRound", "MenuRound", "Round", "Screen"]
