"""`aigc-market explore`: the market in a browser."""

from __future__ import annotations

import os
import socket
import sys
import webbrowser
from dataclasses import dataclass

from aigc_market import explorer


@dataclass(frozen=True)
class Explore:
    """Explore a market in the browser: sliders, U_p(p), demand, the equilibrium; play the leader.

    Needs the extra `app`. Ctrl-C ends it.
    """

    host: str = "127.0.0.1"
    """Address to listen at; `0.0.0.0` lets other machines in."""
    port: int = 2718
    """Port to listen at; 0 takes a free one."""
    browser: bool = True
    """Open the browser."""

    def run(self) -> None:
        """Serve until Ctrl-C."""
        app = explorer.asgi_app()
        import uvicorn  # comes with marimo

        with self._listen() as listener:
            url = f"http://{self.host}:{listener.getsockname()[1]}"
            print(f"The explorer is at {url} (Ctrl-C ends it)", flush=True)
            if self.browser:  # it waits: the socket listens already
                webbrowser.open(url)
            config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
            try:
                uvicorn.Server(config).run([listener])
            except KeyboardInterrupt:
                # marimo ends no session when it is served by others, and the threads of those
                # that a browser has opened would keep the process.
                print("aigc-market: interrupted", file=sys.stderr, flush=True)
                os._exit(130)

    def _listen(self) -> socket.socket:
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port must be a whole number from 0 to 65535, got {self.port}")
        try:
            return socket.create_server((self.host, self.port))
        except OSError as error:
            raise ValueError(
                f"port must be free and host an address of this machine, got {self.port} and "
                f"{self.host!r} ({error})"
            ) from None
