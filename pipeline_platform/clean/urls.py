"""Canonical addresses: one spelling for all the ways in which the same page gets linked."""

import re
from functools import lru_cache
from urllib.parse import urlsplit, urlunsplit

from url_normalize import url_normalize

TRACKING_PREFIXES = ("utm_", "hsa_", "_hs", "vero_", "oly_", "mtm_", "pk_", "at_medium", "at_campaign", "at_custom")
# fmt: off
TRACKING_PARAMETERS = frozenset(
    {
        "__twitter_impression", "_ga", "_gl", "_openstat", "cmpid", "dclid", "fb_action_ids",
        "fb_action_types", "fb_ref", "fb_source", "fbclid", "ftag", "gbraid", "gclid", "gclsrc",
        "guccounter", "guce_referrer", "guce_referrer_sig", "hsctatracking", "icid", "igsh", "igshid",
        "li_fat_id", "mc_cid", "mc_eid", "mkt_tok", "msclkid", "ncid", "ns_campaign", "ns_mchannel",
        "ns_source", "ref_src", "ref_url", "s_cid", "smid", "smtyp", "soc_src", "soc_trk", "sr_share",
        "srsltid", "ttclid", "twclid", "wbraid", "wickedid", "wt_mc", "xtor", "yclid",
    }
)
# fmt: on
"""Parameters that say how a reader came to a page, never which page it is. `ref`, `source` and `id` may name the page
on some sites, so they stay."""

_WEB_ADDRESS = re.compile(r"https?://[^\s/?#]", re.IGNORECASE)
_PAIR = r"[A-Za-z0-9._~:/@!$'()*+,;-]*(?:=[A-Za-z0-9._~:/@!$'()*+,;-]*)?"
# In these addresses nothing is left to percent-encode, decode, resolve or translate, which is what url_normalize does.
_PLAIN = re.compile(
    r"(?i:https?)://(?P<host>(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63})"
    r"(?P<path>(?:/(?![./])[A-Za-z0-9_~:@!$&'()*+,;=-][A-Za-z0-9._~:@!$&'()*+,;=-]*)*/?)"
    rf"(?:\?(?P<query>{_PAIR}(?:&{_PAIR})*))?(?:#(?!!)\S*)?"
)


def canonical_url(url: str | None) -> str | None:
    """`url` in the one spelling under which copies of a page are found.

    RFC 3986 normalisation (case of scheme and host, default port, dot segments, percent-encoding, IDN) by
    url-normalize, and beyond it: `https` for `http`, no fragment (but `#!` routes, which name a page), no tracking
    parameters, the other parameters in the order of their names. Subdomains and a final slash stay: they can name
    different pages.

    Returns:
        The address, or None for what is not an absolute http(s) address with a readable host.
    """
    if not url:
        return None
    plain = _PLAIN.fullmatch(url)
    if plain is None:
        return _normalised(url)
    host, path, query = plain.groups()
    address = f"https://{host.lower()}{path or '/'}"
    kept = _without_tracking(query) if query else ""
    return f"{address}?{kept}" if kept else address


@lru_cache(maxsize=65_536)
def _normalised(url: str) -> str | None:
    """The slow path of `canonical_url`; the same few odd addresses come again and again, hence the cache."""
    url = url.strip()
    if not _WEB_ADDRESS.match(url):
        return None
    try:
        parts = urlsplit(url_normalize(url) or "")
        host = parts.hostname or ""
        port = parts.port
    except ValueError:
        return None
    if not host or re.search(r"\s", host):
        return None
    # A user name or password before the host is no part of the page's name, and none of our business.
    authority = f"[{host}]" if ":" in host else host
    if port is not None and port not in (80, 443):
        authority += f":{port}"
    return urlunsplit(("https", authority, parts.path or "/", _without_tracking(parts.query), ""))


def _without_tracking(query: str) -> str:
    kept = [
        parameter
        for parameter in query.split("&")
        if parameter
        and (name := parameter.partition("=")[0].lower()) not in TRACKING_PARAMETERS
        and not name.startswith(TRACKING_PREFIXES)
    ]
    if len(kept) > 1:
        kept.sort(key=lambda parameter: parameter.partition("=")[0])
    return "&".join(kept)
