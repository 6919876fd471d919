"""The errors of Alpha Vantage: each is an object of one text with status 200, and some echo the key."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline_platform.sources.errors import Permanent, QuotaExhausted, SourceError, Transient

if TYPE_CHECKING:
    from pipeline_platform.sources.client import Response

KEY_HELP = "A free key: https://www.alphavantage.co/support/#api-key, then PIPELINE_ALPHA_VANTAGE__API_KEY=..."
QUOTA_PAUSE = 3600.0
"""Seconds until the upstream is asked again after it said that the day is used up; it does not say when that ends."""
THROTTLE_PAUSE = 61.0


def diagnose(response: "Response") -> SourceError | None:
    """What an answer says in the place of data; None for data, and where the status says it."""
    body = response.json()
    if response.status >= 400 or not isinstance(body, Mapping) or "Meta Data" in body:
        return None
    if not body:
        return Permanent("Alpha Vantage knows nothing of this symbol: check PIPELINE_ALPHA_VANTAGE__SYMBOLS")
    for name in ("Error Message", "Information", "Note"):
        if isinstance(body.get(name), str):
            return _verdict(name, _without_key(" ".join(body[name].split())))
    return None


def _without_key(text: str) -> str:
    # The client masks the key as it is set; the upstream might write it in another way, in capitals say.
    return re.sub(r"(api key as )\S+", r"\1***", text, flags=re.IGNORECASE)


def _verdict(name: str, text: str) -> SourceError:
    said = text.lower()
    if "apikey" in said or "demo** api key" in said:
        return Permanent(f"Alpha Vantage does not accept the key. {KEY_HELP} ({text})")
    if name == "Error Message":
        return Permanent(
            f"Alpha Vantage does not know what was asked for: check PIPELINE_ALPHA_VANTAGE__SYMBOLS and its other "
            f"lists ({text})"
        )
    if name == "Note" or re.search(r"per second|per minute|more sparingly|higher api call volume", said):
        return Transient(f"Alpha Vantage is asked too fast: {text}", wait_seconds=THROTTLE_PAUSE)
    if "per day" in said:
        return QuotaExhausted(f"Alpha Vantage's requests of the day are used up: {text}", wait_seconds=QUOTA_PAUSE)
    return Permanent(
        "the plan of the Alpha Vantage key does not include this: ask for the last 100 days, or set "
        f"PIPELINE_ALPHA_VANTAGE__INTRADAY=[] and PIPELINE_ALPHA_VANTAGE__PREMIUM=false ({text})"
    )
