"""Lets libraries that speak `requests` (PRAW, Tweepy) send through the one policy of their source."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers

from pipeline_platform.sources.errors import Permanent

if TYPE_CHECKING:
    from pipeline_platform.sources.client import SourceClient

# The body is handed over decoded and whole.
_OF_THE_WIRE = frozenset({"content-encoding", "content-length", "transfer-encoding"})


class PolicyAdapter(BaseAdapter):
    """A transport adapter of `requests` that sends through a `SourceClient`.

    The library gets 2xx, 3xx and 401 (it renews its token); everything else raises a `SourceError` after the retries
    of the policy, so that no library retries on top of them.
    """

    def __init__(self, client: "SourceClient") -> None:
        super().__init__()
        self._client = client

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002
        timeout: float | tuple[float | None, float | None] | None = None,  # noqa: ARG002
        verify: bool | str = True,  # noqa: ARG002
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,  # noqa: ARG002
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002
    ) -> requests.Response:
        """Send `request`; time limits, proxies and certificates are those of the client."""
        body = request.body
        if body is not None and not isinstance(body, str | bytes):
            raise Permanent(f"{request.method} {request.url}: a request body that is a stream cannot be sent again")
        answer = self._client.send_for_library(
            request.method or "GET",
            request.url or "",
            headers={name: _text(value) for name, value in request.headers.items()},
            body=body.encode() if isinstance(body, str) else body,
        )
        response = requests.Response()
        response.status_code = answer.status
        response.headers = CaseInsensitiveDict(
            {name: value for name, value in answer.headers.items() if name.lower() not in _OF_THE_WIRE}
        )
        response.encoding = get_encoding_from_headers(response.headers)
        response._content = answer.content
        response._content_consumed = True
        response.url = request.url or ""
        response.request = request
        response.reason = requests.status_codes._codes.get(answer.status, ("",))[0]
        return response

    def close(self) -> None:
        """Nothing to close: the connections belong to the client."""


def session_through(client: "SourceClient") -> requests.Session:
    """A session whose requests all pass `client`."""
    session = requests.Session()
    # Neither proxies nor a .netrc of the environment: the client decides about both.
    session.trust_env = False
    adapter = PolicyAdapter(client)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
