"""Organisations and products of the gazetteer in a text, and the listed assets behind them.

Names that mean nothing else count in any case; those that are also words (Apple, Shell, Target) are read as written and
need a sign that the company is meant: `Inc` behind it, what companies do, its ticker or another of its names.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from pipeline_platform.enrich.gazetteer import Gazetteer, Match, Token, holding
from pipeline_platform.enrich.organisations import ORGANISATIONS, Organisation

COMPANY_SIGNS = frozenset(
    {"CEO", "CFO", "Corp", "Corporation", "Inc", "Ltd", "acquires", "acquired", "announced", "announces", "beats"}
    | {"bought", "buys", "earnings", "employees", "engineers", "executives", "files", "investors", "launched"}
    | {"launches", "plc", "raised", "raises", "reported", "reports", "revenue", "said", "sales", "says", "shares"}
    | {"shareholders", "stock", "stocks", "store", "stores", "sued", "sues", "unveiled", "unveils", "workers"}
)
"""Words behind a name that make it a company's."""

ANY_CASE = 5
"""Letters from which an unmistakable name of one word is found in lower case too."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a name stands for: the organisation itself, or its product of that name."""

    organisation: Organisation
    product: str = ""
    unsure: bool = False


@dataclass(frozen=True, slots=True)
class Named:
    """An entity of the gazetteer in a text: type, value, the key of the asset behind it, and where it stands."""

    label: str
    value: str
    asset: str
    begin: int
    end: int


@cache
def _gazetteer() -> Gazetteer[Known]:
    names: dict[str, Known] = {}

    def add(name: str, known: Known) -> None:
        names.setdefault(name, known)
        if not known.unsure and name.isalpha() and len(name) >= ANY_CASE:
            names.setdefault(name.lower(), known)
            names.setdefault(name.upper(), known)

    for organisation in ORGANISATIONS:
        for name in organisation.names:
            add(name, Known(organisation, unsure=name in organisation.unsure))
        for product in organisation.products:
            add(product, Known(organisation, product))
    return Gazetteer(names)


@cache
def asset_by_ticker() -> dict[str, str]:
    """Keys of the listed assets of the gazetteer by ticker: `AAPL` to `equity:AAPL`."""
    assets = (organisation.asset for organisation in ORGANISATIONS if organisation.asset)
    return {asset.partition(":")[2]: asset for asset in assets}


def naming(texts: pd.Series) -> np.ndarray:
    """Positions of the texts in which `named` may find something."""
    return holding(texts, _gazetteer().anchors)


def named(text: str, tickers: Iterable[str] = ()) -> list[Named]:
    """The organisations and products of a text, in their order.

    Args:
        text: any text.
        tickers: those that the text names, as signs of the companies behind them.
    """
    gazetteer = _gazetteer()
    tokens = gazetteer.tokens(text)
    matches = gazetteer.find(tokens, text)
    told = {asset_by_ticker().get(ticker, "") for ticker in tickers}
    sure = {match.value.organisation.names[0] for match in matches if not match.value.unsure}
    found: list[Named] = []
    for match in matches:
        organisation, product = match.value.organisation, match.value.product
        name = organisation.names[0]
        evident = name in sure or organisation.asset in told - {""} or _sign(match, tokens, text)
        if match.value.unsure and not evident:
            continue
        label, value = ("PRODUCT", product) if product else ("ORG", name)
        found.append(Named(label, value, "" if product else organisation.asset, match.begin, match.end))
    return found


def _sign(match: Match[Known], tokens: Sequence[Token], text: str) -> bool:
    if match.last + 1 >= len(tokens):
        return False
    after = tokens[match.last + 1]
    gap = text[match.end : after.begin]
    # `Apple's shares`: the word behind the possessive.
    if after.text == "s" and gap in ("'", "’") and match.last + 2 < len(tokens):
        after, gap = tokens[match.last + 2], " "
    return gap == " " and after.text in COMPANY_SIGNS
