"""Tweepy on top of the client of the source: it knows the calls, the client sends, waits and tries again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import requests
import tweepy

from pipeline_platform.sources.base import Page, Record
from pipeline_platform.sources.client import SANDBOX_HEADER
from pipeline_platform.sources.errors import Malformed, Permanent
from pipeline_platform.sources.x_answers import CREDENTIAL

if TYPE_CHECKING:
    from pipeline_platform.sources.client import SourceClient


class _Client(tweepy.Client):
    """Tweepy's calls without its way of sending them.

    `request` of Tweepy has the address of the API as a literal, writes the token into the log, and may sleep for a
    quarter of an hour; here it does none of that.

    Args:
        client: sends.
        token: app-only bearer token.
    """

    def __init__(self, client: "SourceClient", token: str) -> None:
        super().__init__(token, return_type=requests.Response, wait_on_rate_limit=False)
        self.session = client.requests_session()
        self._base_url = client.base_url

    def request(
        self,
        method: str,
        route: str,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        user_auth: bool = False,  # noqa: ARG002 - the token is that of an app
    ) -> requests.Response:
        response = self.session.request(
            method,
            f"{self._base_url}{route}",
            params=params,
            json=json,
            headers={"Authorization": f"Bearer {self.bearer_token}"},
            allow_redirects=False,
        )
        if response.status_code == 401:
            raise Permanent(f"X does not accept the bearer token: check {CREDENTIAL}", status=401)
        if not response.ok or response.status_code >= 300:
            raise Permanent(f"{method} {route} has moved; check PIPELINE_X__BASE_URL", status=response.status_code)
        return response


@dataclass(frozen=True)
class Answer:
    """The body of a response, which is a JSON object, and how it was asked for."""

    body: Mapping[str, Any]
    request: Mapping[str, Any]
    from_sandbox: bool

    def page(self, records: list[Record]) -> Page:
        """A page of `records` that came with this answer."""
        return Page(records=records, request=self.request, from_sandbox=self.from_sandbox)


class Connection:
    """The calls of the API that are in use.

    Args:
        client: sends every request.
        token: app-only bearer token.
    """

    def __init__(self, client: "SourceClient", token: str) -> None:
        self._client = client
        self.tweepy = _Client(client, token)

    def ask(self, call: Callable[..., requests.Response], *args: Any, **params: Any) -> Answer:
        """The answer to a call of Tweepy; parameters that are None are left out.

        Raises:
            SourceError: of the client.
            Malformed: the body is no JSON object.
        """
        response = call(*args, **{name: value for name, value in params.items() if value is not None})
        body = response.json()
        if not isinstance(body, Mapping):
            raise Malformed(f"X answered {type(body).__name__} where an object belongs", status=response.status_code)
        address = urlsplit(response.url)
        shown = self._client.redactor
        return Answer(
            body=body,
            request={
                "method": "GET",
                "url": shown.text(f"{address.scheme}://{address.netloc}{address.path}"),
                "params": shown.pairs(dict(parse_qsl(address.query))),
            },
            from_sandbox=SANDBOX_HEADER in response.headers,
        )

    def get(self, route: str, params: Mapping[str, Any]) -> requests.Response:
        """A call for which Tweepy has no name."""
        return self.tweepy.request("GET", route, params)
