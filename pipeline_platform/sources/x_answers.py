"""What an answer of X means that is no plain success: problems, refusals with status 200, pages without an end.

Problems as in https://docs.x.com/x-api/fundamentals/response-codes-and-errors.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline_platform.sources.errors import Malformed, Permanent, QuotaExhausted, SourceError

if TYPE_CHECKING:
    from pipeline_platform.sources.client import Response

CREDENTIAL = "PIPELINE_X__BEARER_TOKEN"

_CAP_PAUSE = 3600.0
"""Seconds until a spent cap or an empty balance is tried again: X does not say when somebody mends it."""


def _words(body: Mapping[str, Any]) -> str:
    """What a problem of X says: its `detail`, and the messages of its `errors`."""
    errors = body.get("errors")
    listed = [error for error in errors if isinstance(error, Mapping)] if isinstance(errors, list) else []
    said = [body.get("detail"), *(error.get("message") or error.get("detail") for error in listed), body.get("title")]
    words = list(dict.fromkeys(one for one in said if isinstance(one, str) and one))
    return " ".join(words[:3])[:400] or "no reason given"


def _problem_kind(body: Mapping[str, Any]) -> str:
    # The host in front has changed from api.twitter.com to api.x.com.
    return str(body.get("type")).rpartition("/")[2]


def _body_of(response: "Response") -> Mapping[str, Any]:
    try:
        body = response.json()
    except Malformed:
        return {}
    return body if isinstance(body, Mapping) else {}


def diagnose(response: "Response") -> SourceError | None:
    """Tell a spent cap and an empty balance from a rate limit, and say what to do about a refusal."""
    status = response.status
    if status < 400:
        return None
    body = _body_of(response)
    words, kind = _words(body), _problem_kind(body)
    address = response.url.partition("?")[0]  # what was asked for is in the request of the error
    if kind == "usage-capped" or body.get("title") == "UsageCapExceeded":
        message = f"X: the usage cap is reached ({words}); raise it at console.x.com, or wait for the next cycle"
        return QuotaExhausted(message, status=status, wait_seconds=_CAP_PAUSE)
    if status == 402 or kind == "credits-depleted":
        message = f"X: the credits of the account are used up ({words}); buy some at console.x.com"
        return QuotaExhausted(message, status=status, wait_seconds=_CAP_PAUSE)
    if status == 429 or status >= 500:
        return None
    if status == 403:
        reason = body.get("reason") or kind
        advice = f"check what the app of {CREDENTIAL} may use at console.x.com"
        return Permanent(f"X refuses {address}: {words} ({reason}); {advice}", status=status)
    if status == 404 and not body:
        return Permanent(f"X has nothing at {address}; check PIPELINE_X__BASE_URL", status=status)
    return Permanent(f"X answered {status} to {address}: {words}; check PIPELINE_X__WATCH", status=status)


def refusal(body: Mapping[str, Any], what: str) -> SourceError:
    """What a body without the data that were asked for means; X says so with status 200."""
    if body.get("errors"):
        return Permanent(f"X does not show {what}: {_words(body)}; check PIPELINE_X__WATCH", status=200)
    return Malformed(f"X's answer for {what} has no data", status=200)


def listed(body: Mapping[str, Any], what: str) -> list[Any]:
    """The items of a page; none only where X says that there are none."""
    data = body.get("data")
    if isinstance(data, list):
        return data
    meta = body.get("meta")
    counted = meta.get("result_count") if isinstance(meta, Mapping) else None
    if data is None and counted == 0 and not isinstance(counted, bool):
        return []
    raise refusal(body, what)


def next_token(body: Mapping[str, Any], asked: str | None, what: str) -> str | None:
    """The token of the next page, None on the last; `asked` is that of this page."""
    meta = body.get("meta")
    token = meta.get("next_token") if isinstance(meta, Mapping) else None
    if token is not None and not isinstance(token, str):
        raise Malformed(f"{what} names no text as its next page but {token!r:.40}", status=200)
    if token is not None and token == asked:
        raise Malformed(f"{what} names {token} as the page after itself", status=200)
    return token
