"""Serves the application of `pipeline-platform api`, until it is told to stop."""

import signal
from collections.abc import Callable
from types import FrameType

import uvicorn

from pipeline_platform.launch.supervisor import open_port, url_of
from pipeline_platform.serve.app import create_app
from pipeline_platform.settings import Settings
from pipeline_platform.storage.stores import Stores


def serve(settings: Settings, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, then return.

    Args:
        settings: with the servers named, as `platform_environment` gives them.
        host: address to listen on.
        port: 0 takes a free one.
        ready: told the address.

    Raises:
        SettingsError: the port is taken, or there is no such address.
    """
    port = open_port(host, port)
    server = uvicorn.Server(
        uvicorn.Config(create_app(Stores(settings)), host=host, port=port, log_config=None, access_log=False)
    )

    def stop(_number: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    # uvicorn has handlers of its own while it runs, and raises the signal again once it has stopped: to these.
    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        ready(url_of(host, port))
        server.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
