"""Looking at frames: where two differ, and what is written in one."""

import numpy as np

from aigc_market.rendering.canvas import Canvas


def differs(a, b):
    """(top, left, bottom, right) of what two frames do not share."""
    rows, columns = np.nonzero((a != b).any(axis=-1))
    return rows.min(), columns.min(), rows.max() + 1, columns.max() + 1


def overhear(monkeypatch):
    """Every text drawn from now on: what it says, its box, and how much smaller it was set."""
    found = []
    text = Canvas.text

    def tell(self, x, y, words, size, colour, anchor=0, room=float("inf")):
        width = text(self, x, y, words, size, colour, anchor, room)
        left = x - anchor * width
        shrunk = width / max(self.measure(words, size), 1)
        # Letters without descent; of two words on each other the capitals would meet.
        box = left, y - 0.5 * size * shrunk, left + width, y
        found.append((words, box, shrunk))
        return width

    monkeypatch.setattr(Canvas, "text", tell)
    return found
