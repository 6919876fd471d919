"""Organisations and products of the gazetteer in a text, and the listed assets behind them.

Names that mean nothing else count in any case; those that are also words (Apple, Shell, Target) are read as written and
need a sign that the company is meant: `Inc` behind it, what companies do, its ticker or another of its names.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from pipeline_platform.enrich.gazetteer import Gazetteer, Match, words_in
from pipeline_platform.enrich.organisations import ORGANISATIONS, Organisation

if TYPE_CHECKING:
    from pipeline_platform.enrich.words import Words

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


def named(text: str, tickers: Iterable[str] = ()) -> list[Named]:
    """The organisations and products of a text, in their order.

    Args:
        text: any text.
        tickers: those that the text names, as signs of the companies behind them.
    """
    words = words_in(text)
    return [
        replace(one, begin=words.characters(0, one.begin), end=words.characters(0, one.end))
        for _, found in named_in(words, {0: tickers})
        for one in found
    ]


def named_in(words: "Words", tickers: Mapping[int, Iterable[str]]) -> Iterator[tuple[int, list[Named]]]:
    """The texts that name organisations and products, and which; they stand between bytes of `words.data`.

    Args:
        words: of the texts.
        tickers: those that a text names, by its position.
    """
    gazetteer = _gazetteer()
    matches = gazetteer.find(words)
    for text, begin, end in matches.by_text():
        each = slice(begin, end)
        found = [
            Match(gazetteer.values[name], first, last)
            for name, first, last in zip(matches.names[each], matches.firsts[each], matches.lasts[each], strict=True)
        ]
        yield text, _evident(words, found, int(words.stops[text]), tickers.get(text, ()))


def _evident(words: "Words", matches: Sequence[Match[Known]], stop: int, tickers: Iterable[str]) -> list[Named]:
    """What is meant by the names of a text that ends before the word `stop`."""
    told = {asset_by_ticker().get(ticker, "") for ticker in tickers}
    sure = {match.value.organisation.names[0] for match in matches if not match.value.unsure}
    found: list[Named] = []
    for match in matches:
        organisation, product = match.value.organisation, match.value.product
        name = organisation.names[0]
        evident = name in sure or organisation.asset in told - {""} or _sign(words, match.last, stop)
        if match.value.unsure and not evident:
            continue
        label, value = ("PRODUCT", product) if product else ("ORG", name)
        asset = "" if product else organisation.asset
        found.append(Named(label, value, asset, int(words.begins[match.first]), int(words.ends[match.last])))
    return found


def _sign(words: "Words", last: int, stop: int) -> bool:
    if last + 1 >= stop:
        return False
    after, gap = words.word(last + 1), words.gap(last)
    # `Apple's shares`: the word behind the possessive.
    if after == "s" and gap in ("'", "’") and last + 2 < stop:
        after, gap = words.word(last + 2), " "
    return gap == " " and after in COMPANY_SIGNS
