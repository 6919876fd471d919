"""Who may use the API: whoever sends its key, in the header `X-API-Key`."""

import hmac
from collections.abc import Callable
from typing import Annotated

from fastapi import HTTPException, Security, status
from fastapi.security import APIKeyHeader

from pipeline_platform.storage.stores import Stores

HEADER = "X-API-Key"


def requires_key(stores: Stores) -> Callable[..., None]:
    """A dependency that answers 401 to requests without the key of the settings, or of `$PIPELINE_HOME/api.key`."""

    def check(given: Annotated[str | None, Security(APIKeyHeader(name=HEADER, auto_error=False))]) -> None:
        if given is None or not hmac.compare_digest(given.encode(), stores.api_key):
            raise HTTPException(
                status.HTTP_401_UNAUTHORIZED,
                f"send the key of the API as {HEADER}: PIPELINE_API_KEY, or what $PIPELINE_HOME/api.key holds",
                headers={"WWW-Authenticate": "APIKey"},
            )

    return check
