"""The application over empty stores, and servers that tests run beside it."""

import shutil
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from pipeline_platform.serve.app import create_app
from pipeline_platform.storage.stores import Stores


def program(name: str) -> str:
    """The path of a program; the test is skipped where it is not installed."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed here")
    return path


@pytest.fixture
def client(stores: Stores) -> Iterator[TestClient]:
    with TestClient(create_app(stores)) as opened:
        yield opened
