"""`aigc-market explore`: the market in a browser."""

from __future__ import annotations

import os
import socket
import sys
import webbrowser

from aigc_market import _checks, explorer


def explore(host: str = "127.0.0.1", port: int = 2718, browser: bool = True) -> None:
    """Explore a market in the browser: sliders, U_p(p), demand, the equilibrium; play the leader.

    Needs the extra `app`. Ctrl-C ends it.

    Args:
        host: Address to listen at; `0.0.0.0` lets other machines in.
        port: Port to listen at; 0 takes a free one.
        browser: Open the browser.
    """
    app = explorer.asgi_app()
    import uvicorn  # comes with marimo

    _checks.number("port", port, at_least=0, at_most=65535)
    try:
        listener = socket.create_server((host, port))
    except OSError as error:
        raise ValueError(
            f"port must be free and host an address of this machine, got {port} and {host!r} "
            f"({error})"
        ) from None
    with listener:
        url = f"http://{host}:{listener.getsockname()[1]}"
        print(f"The explorer is at {url} (Ctrl-C ends it)", flush=True)
        if browser:  # it waits: the socket listens already
            webbrowser.open(url)
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
        try:
            uvicorn.Server(config).run([listener])
        except KeyboardInterrupt:
            # marimo ends no session when it is served by others, and the threads of those that a
            # browser has opened would keep the process.
            print("aigc-market: interrupted", file=sys.stderr, flush=True)
            os._exit(130)
