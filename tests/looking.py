"""Looking at frames: where two differ, and what is drawn and written in one."""

import numpy as np

from aigc_market.rendering.canvas import Canvas


def differs(a, b):
    """(top, left, bottom, right) of what two frames do not share."""
    rows, columns = np.nonzero((a != b).any(axis=-1))
    return rows.min(), columns.min(), rows.max() + 1, columns.max() + 1


def rgb(colour):
    """Of a colour in hexadecimal digits."""
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def seen(frame, colour):
    """How many pixels of a part of a frame have a colour."""
    return int((frame == rgb(colour)).all(axis=-1).sum())


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
        if words:
            found.append((words, box, shrunk))
        return width

    monkeypatch.setattr(Canvas, "text", tell)
    return found
