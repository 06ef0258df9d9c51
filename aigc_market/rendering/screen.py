"""What an environment shows itself on."""

from __future__ import annotations

import os
import sys
from collections import deque
from typing import Any

import numpy as np

from aigc_market.rendering.canvas import HEIGHT, WIDTH, WINDOW, load_pygame
from aigc_market.rendering.rounds import Record
from aigc_market.rendering.text import ansi

NO_WINDOW = (
    "a window needs a display, and there is none: take render_mode='ansi' or 'rgb_array' "
    "(of `aigc-market replay` --text or --video), or set SDL_VIDEODRIVER=dummy to draw unseen"
)


class Screen:
    """The last rounds of an episode, as text, as frames, or in a window.

    The window is no state: it stays with the screen that opened it, and copies open their own.

    Args:
        mode: "ansi", "rgb_array" or "human".
        fps: how many rounds a second a window shows at most.

    Pygame is imported when the first frame is drawn, not before: Stable-Baselines3's `make_vec_env`
    asks every environment for frames that nobody may draw. Without it, drawing raises ImportError.
    Where no window opens, mode "human" raises RuntimeError at the first round, which is a reset's.
    """

    def __init__(self, mode: str, fps: float) -> None:
        self._mode, self._fps = mode, fps
        self._rounds: deque[Any] = deque(maxlen=1 if mode == "ansi" else WINDOW)
        self._clock: Any = None  # of the window, while it is open

    def add(self, record: Record) -> None:
        """Take up a round; number 0 begins an episode. A window shows it at once."""
        if record.number == 0:
            self._rounds.clear()
        if self._rounds:
            self._rounds[-1] = self._rounds[-1].without_vmus()
        self._rounds.append(record)
        if self._mode == "human":
            self.show()

    def show(self) -> str | np.ndarray | None:
        """The last round: text, a frame (640, 960, 3) uint8, or nothing but in the window."""
        if self._mode == "ansi":
            return ansi(self._rounds[-1])
        if self._mode == "rgb_array":
            return self.frame()
        self._flip(self.frame())
        return None

    def frame(self) -> np.ndarray:
        """Of the last round, (640, 960, 3) uint8."""
        from aigc_market.rendering.frames import draw  # for those alone who want pictures

        return draw(list(self._rounds))

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._clock is not None:
            self._clock = None
            load_pygame().display.quit()

    def _flip(self, frame: np.ndarray) -> None:
        pygame = load_pygame()
        window = pygame.display.get_surface() if pygame.display.get_init() else None
        if self._clock is None or window is None or window.get_size() != (WIDTH, HEIGHT):
            window = _open_window(pygame)
            pygame.display.set_caption("aigc_market")
            self._clock = pygame.time.Clock()
        pygame.surfarray.blit_array(window, frame.swapaxes(0, 1))
        pygame.event.pump()
        pygame.display.flip()
        self._clock.tick(self._fps)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_clock": None}


def _open_window(pygame: Any) -> Any:
    """The surface of a new window.

    Without a display SDL draws where nobody looks and says nothing; that is done only for those who
    ask for it by its variable SDL_VIDEODRIVER.

    Raises:
        RuntimeError: there is no display.
    """
    found, unseen = os.environ.get, "SDL_VIDEODRIVER" in os.environ
    # Asked before SDL is, which would write a line of its own.
    x_or_wayland = os.name == "posix" and sys.platform != "darwin"
    if x_or_wayland and not (unseen or found("DISPLAY") or found("WAYLAND_DISPLAY")):
        raise RuntimeError(f"{NO_WINDOW} ($DISPLAY and $WAYLAND_DISPLAY are unset)")
    try:
        pygame.display.init()
        driver = pygame.display.get_driver()
        if driver in ("offscreen", "dummy") and not unseen:
            pygame.display.quit()
            raise pygame.error("it does not answer")
        return pygame.display.set_mode((WIDTH, HEIGHT))
    except pygame.error as error:
        raise RuntimeError(f"{NO_WINDOW} ({error})") from None
