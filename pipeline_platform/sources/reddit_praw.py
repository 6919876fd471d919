"""PRAW on top of the client of the source: it signs in and builds requests, the client sends, waits and tries again."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import praw
import prawcore

from pipeline_platform.sources.errors import Malformed, Permanent, QuotaExhausted, SourceError

if TYPE_CHECKING:
    import requests

    from pipeline_platform.sources.client import SourceClient

TOKEN_PATH = "/api/v1/access_token"  # noqa: S105
CREDENTIALS = "PIPELINE_REDDIT__CLIENT_ID and PIPELINE_REDDIT__CLIENT_SECRET"
WATCH_LIST = "PIPELINE_REDDIT__SUBREDDITS"

_MOVED = (301, 302)
_RATE_HEADERS = ("remaining", "reset", "used")
_RATE_WINDOW_SECONDS = 600.0


class _Requestor(prawcore.Requestor):
    """Sends PRAW's requests through the client of the source, whose policy alone waits and tries again.

    PRAW would sleep after the rate headers and ask three times when a token is refused: it does not get to see the
    headers, and a second refusal in a row ends the request. Errors of the client pass unwrapped.

    Args:
        answers: where the newest answer that is no token is put.
        kwargs: those of PRAW.
    """

    def __init__(self, *, answers: "deque[requests.Response]", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._answers = answers
        self._refused = False
        self._spent_until: datetime | None = None

    def request(self, *args: Any, timeout: float | None = None, **kwargs: Any) -> "requests.Response":
        if self._spent_until is not None and datetime.now(UTC) < self._spent_until:
            raise QuotaExhausted("Reddit: the requests of this window are spent", resets_at=self._spent_until)
        try:
            response = super().request(*args, timeout=timeout, **kwargs)
        except prawcore.RequestException as error:
            if isinstance(error.original_exception, SourceError):
                raise error.original_exception from None
            raise
        remaining, reset, _ = (response.headers.pop(f"x-ratelimit-{name}", None) for name in _RATE_HEADERS)
        asked_for_token = urlsplit(response.url).path.endswith(TOKEN_PATH)
        if response.status_code == 401 and (asked_for_token or self._refused):
            raise Permanent(f"Reddit does not accept the credentials: check {CREDENTIALS}", status=401)
        if response.status_code in _MOVED and not response.headers.get("location"):
            raise Malformed(f"{response.url} is redirected to nowhere", status=response.status_code)
        if not asked_for_token:
            self._refused = response.status_code == 401
            self._spent_until = _reset_moment(remaining, reset)
            self._answers.append(response)
        return response


def _reset_moment(remaining: str | None, reset: str | None) -> datetime | None:
    """When the window ends whose requests are spent; None while some are left."""
    try:
        if remaining is None or reset is None or float(remaining) >= 1:
            return None
        return datetime.now(UTC) + timedelta(seconds=min(float(reset), _RATE_WINDOW_SECONDS))
    except ValueError:
        return None


@dataclass(frozen=True)
class Connection:
    """PRAW, and the newest answer it got, of which PRAW itself shows the body alone."""

    reddit: praw.Reddit
    answers: "deque[requests.Response]"

    def ask(self, path: str, params: Mapping[str, str | int]) -> Any:
        """The JSON that Reddit answers, untouched: PRAW's models would change it and ask for more by themselves.

        Raises:
            SourceError: of the client, or what PRAW makes of an answer.
        """
        return self._answer(path, method="GET", params=dict(params))

    def send(self, path: str, data: Mapping[str, str | int]) -> Any:
        """As `ask`, for what Reddit wants as a form."""
        return self._answer(path, method="POST", data=dict(data))

    def _answer(self, path: str, **request: Any) -> Any:
        try:
            return self.reddit.request(path=path, **request)
        except prawcore.Redirect as error:
            status = error.response.status_code
            if error.path.startswith("/subreddits/search"):
                raise Permanent(f"{path}: no such subreddit; check {WATCH_LIST}", status=status) from None
            raise Permanent(f"{path} has moved to {error.path}", status=status) from None
        except prawcore.PrawcoreException as error:
            raise Permanent(f"{path}: {error}") from error


@lru_cache(maxsize=2)
def connect(
    client: "SourceClient", base_url: str | None, client_id: str, client_secret: str, user_agent: str
) -> Connection:
    """PRAW on top of `client`; kept, so that one token serves every subreddit of a run."""
    answers: deque[requests.Response] = deque(maxlen=1)
    # A slash ends the address, because PRAW joins paths to it the way a browser does.
    addresses = {"oauth_url": f"{base_url}/", "reddit_url": base_url} if base_url else {}
    reddit = praw.Reddit(
        "DEFAULT",
        requestor_class=_Requestor,
        requestor_kwargs={"session": client.requests_session(), "answers": answers},
        client_id=client_id,
        client_secret=client_secret,
        user_agent=user_agent,
        # Given here, so that no praw.ini and no variable of PRAW's own can log in as somebody.
        username=None,
        password=None,
        refresh_token=None,
        check_for_updates=False,
        check_for_async=False,
        **addresses,
    )
    return Connection(reddit, answers)
