"""The colours of all frames, figures and pages: hexadecimal, and what each stands for.

After the palette of Okabe and Ito, whose colours can be told apart by those who see few:
Okabe and Ito, "Color Universal Design", 2008, https://jfly.uni-koeln.de/color/.
"""

from __future__ import annotations

BLACK = "#000000"
ORANGE = "#E69F00"
SKY = "#56B4E9"
GREEN = "#008060"
"""A shade darker than theirs, so that text in it can be read."""
BLUE = "#0072B2"
VERMILLION = "#D55E00"
PURPLE = "#CC79A7"
OLIVE = "#8A7F00"
"""Their yellow, dark enough to be a line on white."""

LEADER = BLUE
"""What the leader posts and earns."""
EQUILIBRIUM = GREEN
"""What the oracle posts and earns."""
THEOREM = PURPLE
"""Theorem 2's price, where it is not the equilibrium's."""
REGRET = VERMILLION
"""What is lost against the oracle."""
DELIVERED = SKY
"""Steps that followers got."""
CAPACITY = ORANGE
"""What a limit cuts: steps asked for and not delivered, the price at which a follower leaves."""
FOLLOWERS = (ORANGE, SKY, PURPLE, VERMILLION, GREEN, BLUE)
"""One each, where followers are drawn apart."""
CARTEL = VERMILLION
"""What providers would post and earn as one."""
PROVIDERS = (BLUE, ORANGE, PURPLE, SKY, BLACK, OLIVE)
"""One each, where providers are drawn apart: none is the equilibrium's colour or the cartel's."""

MEASURED = BLUE
"""Measurements."""
FIT = VERMILLION
"""A curve through measurements."""

INK = "#20262E"
"""Text, and what is above all others."""
MUTED = "#5C646E"
"""What explains, and what is known to be poor."""
LINE = "#B0B7BE"
"""Axes and frames."""
PALE = "#DDE1E6"
"""What is still empty."""
PAPER = "#F2F4F6"
"""Behind all."""
WHITE = "#FFFFFF"

GROUND = "#E5EBE3"
ASPHALT = "#60666E"
BODY = "#F0F3F6"
GLASS = "#54687C"
"""Of the road and its vehicles, which mean nothing."""
