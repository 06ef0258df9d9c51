"""What all parts of a frame share: its sizes."""

from __future__ import annotations

WIDTH, HEIGHT = 960, 640
"""Of a frame, in pixels; multiples of 16, as video codecs like them."""
WINDOW = 50
"""The last rounds that the charts show."""
MARGIN, GAP = 24, 16

LARGE, MEDIUM, SMALL = 38, 21, 18
"""Sizes of text."""
