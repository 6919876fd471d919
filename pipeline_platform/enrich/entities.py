"""Entities of a text: what can be told by its spelling, what gazetteers hold, and more by a configured spaCy pipeline.

Spelling (tickers, hashtags, mentions, domains, repositories) is read by regular expressions; a vectorised search first
tells which texts hold a candidate at all. Coin names are found by a spaCy `EntityRuler`, which reads each distinct word
that may be one once; organisations, products and persons by lists of names (`named.py`, `persons.py`).
`PIPELINE_SPACY_MODEL` names a pipeline that adds those that no list holds.
"""

import logging
import re
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, lru_cache
from importlib.metadata import version as installed
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pyarrow as arrow
import pyarrow.compute as pc

from pipeline_platform.enrich.coins import COINS, ID_BY_SYMBOL
from pipeline_platform.enrich.component import UNAVAILABLE
from pipeline_platform.enrich.language import words_of
from pipeline_platform.enrich.named import Named, asset_by_ticker, named_in
from pipeline_platform.enrich.persons import persons_in
from pipeline_platform.enrich.texts import as_array
from pipeline_platform.schemas.columns import texts
from pipeline_platform.settings import Settings

if TYPE_CHECKING:
    from spacy.language import Language as Pipeline

log = logging.getLogger(__name__)

RULES_VERSION = "2"

_READING = threading.Lock()
"""Held while a spaCy pipeline reads: it notes the words it meets."""

SPELLED = r"[$#@]\w|https?://|www\.|\w/[\w.-]+#\d"
"""A text without a match has no entity that `spelled` could find."""

URL = re.compile(r"(?:https?://|\bwww\.)[^\s<>\"'`\])}]+", re.IGNORECASE)
HOST = re.compile(
    r"(?:https?://)?(?:[^/?#@\s]*@)?(?:www\.)?((?:[\w-]+\.)+[^\W\d_][\w-]+)(?=[:/?#.,;!]|$)", re.IGNORECASE
)
REPOSITORY_URL = re.compile(
    r"(?:https?://)?(?:www\.)?(?:github\.com|gitlab\.com|codeberg\.org)/([A-Za-z0-9][\w.-]*)/([\w.-]*\w)", re.IGNORECASE
)
REPOSITORY_REFERENCE = re.compile(r"(?<![\w./-])([A-Za-z0-9][A-Za-z0-9-]{0,38})/([\w.-]{1,100})#\d+\b")
TICKER = re.compile(r"(?<![\w$])\$([A-Za-z]{1,6}(?:\.[A-Z])?)(?![\w$({\[])")
HASHTAG = re.compile(r"(?<![\w&#/])#(\w*[^\W\d_]\w*)")
HEX_COLOUR = re.compile(r"(?=.*\d)(?:[0-9a-f]{3}|[0-9a-f]{6}|[0-9a-f]{8})")
MENTION = re.compile(r"(?<![\w@/.+-])@([A-Za-z0-9_][A-Za-z0-9_-]{0,38})(?![\w@/-]|\.\w)")

SHELL_VARIABLES = frozenset(
    {"EDITOR", "HOME", "HOST", "LANG", "PAGER", "PATH", "PID", "PORT", "PWD", "SHELL", "TERM", "USER"}
)
"""Written like tickers in questions about computers."""

PAGES_NOT_OWNERS = frozenset(
    {"about", "apps", "blog", "collections", "contact", "customer-stories", "events", "explore", "features", "issues"}
    | {"login", "marketplace", "notifications", "orgs", "organizations", "pricing", "pulls", "search", "settings"}
    | {"site", "sponsors", "topics", "trending", "users"}
)
"""First parts of GitHub addresses that are not accounts."""

NUMERIC_LABELS = frozenset({"CARDINAL", "DATE", "MONEY", "ORDINAL", "PERCENT", "QUANTITY", "TIME"})
"""Labels of spaCy pipelines for figures, which are no entities to count."""

COIN = "COIN"
TICKER_TYPE = "TICKER:"


def _addressed(address: str) -> set[str]:
    found: set[str] = set()
    host = HOST.match(address)
    if host:
        found.add(f"DOMAIN:{host[1].lower()}")
    repository = REPOSITORY_URL.match(address)
    if repository and repository[1].lower() not in PAGES_NOT_OWNERS:
        found.add("REPOSITORY:" + f"{repository[1]}/{repository[2]}".lower().removesuffix(".git"))
    return found


def _tickers(text: str) -> set[str]:
    found: set[str] = set()
    for ticker in TICKER.findall(text):
        coin = ID_BY_SYMBOL.get(ticker.upper())
        if coin:
            found.update((f"TICKER:{ticker.upper()}", f"{COIN}:{coin}"))
        elif ticker.isupper() and ticker not in SHELL_VARIABLES:
            found.add(f"TICKER:{ticker}")
    return found


def spelled(text: str) -> set[str]:
    """Entities that their spelling tells, as `TYPE:value`.

    Tickers are upper case (`$AAPL`), or a known coin in any case (`$btc`, which is also a COIN). Hashtags, mentions,
    domains and repositories are lower case. A repository needs its address or a reference (`owner/name#12`): a bare
    `owner/name` is too often `and/or`.
    """
    found: set[str] = set()
    for address in URL.findall(text):
        found |= _addressed(address)
    words = URL.sub(" ", text)
    found |= _tickers(words)
    found.update("REPOSITORY:" + f"{owner}/{name}".lower() for owner, name in REPOSITORY_REFERENCE.findall(words))
    found.update(f"HASHTAG:{tag}" for tag in HASHTAG.findall(words.lower()) if not HEX_COLOUR.fullmatch(tag))
    found.update(f"MENTION:{name}" for name in MENTION.findall(words.lower()))
    return found


def _listed(entities: Iterable[Named]) -> set[str]:
    """Organisations, products and the assets behind companies, as `TYPE:value`."""
    found: set[str] = set()
    for entity in entities:
        found.add(f"{entity.label}:{entity.value}")
        if entity.asset:
            found.add(f"ASSET:{entity.asset}")
    return found


def traded(tickers: set[str]) -> set[str]:
    """The assets behind tickers, as `ASSET:key`."""
    assets = asset_by_ticker()
    return {f"ASSET:{assets[ticker]}" for ticker in tickers if ticker in assets}


def _tickers_among(entities: set[str]) -> set[str]:
    return {entity[len(TICKER_TYPE) :] for entity in entities if entity.startswith(TICKER_TYPE)}


def coin_patterns() -> list[dict[str, Any]]:
    """The gazetteer as patterns of spaCy's `EntityRuler`: names in any case, symbols as written."""
    patterns: list[dict[str, Any]] = []
    for coin in COINS:
        patterns += [{"label": COIN, "id": coin.id, "pattern": name} for name in coin.names]
        if coin.bare:
            patterns.append({"label": COIN, "id": coin.id, "pattern": [{"TEXT": coin.symbol}]})
    return patterns


def coin_words() -> str:
    """A regular expression that matches wherever a word of the gazetteer may stand, and costs little."""
    names = {name for coin in COINS for name in coin.names}
    symbols = {coin.symbol for coin in COINS if coin.bare}
    return rf"(?i:\b(?:{'|'.join(sorted(names))})\b)|\b(?:{'|'.join(sorted(symbols))})\b"


def coins_of_several_words() -> str:
    """A regular expression that matches wherever a name of more than one word may stand."""
    return f"(?i:{'|'.join(sorted(name for coin in COINS for name in coin.names if ' ' in name))})"


@cache
def _gazetteer() -> "Pipeline":
    import spacy

    pipeline = spacy.blank("xx")
    # Phrases: a pattern of tokens costs twice as much.
    ruler: Any = pipeline.add_pipe("entity_ruler", config={"phrase_matcher_attr": "LOWER"})
    ruler.add_patterns(coin_patterns())
    return pipeline


@lru_cache(maxsize=1 << 14)
def _coins(text: str) -> frozenset[str]:
    with _READING:
        return frozenset(f"{COIN}:{entity.ent_id_}" for entity in _gazetteer()(text).ents)


def coins(texts: arrow.Array) -> Iterator[tuple[int, frozenset[str]]]:
    """The texts that may name coins, and which, as `COIN:id`; a text may come several times.

    spaCy parts a text at white space before anything else. So what stands between white space is read by itself, and
    once, unless a text may hold a name with a space in it.
    """
    candidates = np.flatnonzero(_match(texts, coin_words()))
    held = texts.take(arrow.array(candidates))
    whole = _match(held, coins_of_several_words())
    for text, said in zip(candidates[whole].tolist(), held.filter(arrow.array(whole)).to_pylist(), strict=True):
        yield text, _coins(said)
    parts = pc.utf8_split_whitespace(held.filter(arrow.array(~whole)))
    of = candidates[~whole][pc.list_parent_indices(parts).to_numpy()]
    part = pc.list_flatten(parts).dictionary_encode()
    named = _match(part.dictionary, coin_words())
    found = {code: _coins(part.dictionary[code].as_py()) for code in np.flatnonzero(named).tolist()}
    codes = part.indices.to_numpy()
    for place in np.flatnonzero(named[codes]).tolist():
        yield int(of[place]), found[codes[place]]


def _match(texts: arrow.Array, pattern: str) -> np.ndarray:
    return pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)


@cache
def _configured(model: str) -> "Pipeline":
    import spacy

    pipeline = spacy.load(model)
    needed = {"tok2vec", "transformer", "ner", "entity_ruler", "span_ruler"}
    pipeline.select_pipes(
        enable=[name for name in pipeline.pipe_names if pipeline.get_pipe_meta(name).factory in needed]
    )
    return pipeline


class Entities:
    """What spelling and lists of names tell, and what the configured pipeline finds."""

    name: ClassVar[str] = "entities"
    inputs: ClassVar[tuple[str, ...]] = ()
    outputs: ClassVar[Mapping[str, pa.Column]] = {
        "entities": texts(
            "Distinct entities as `TYPE:value`, sorted: TICKER, HASHTAG, MENTION, DOMAIN, REPOSITORY, COIN (CoinGecko "
            "id), ORG, PRODUCT, PERSON, ASSET (key of the company's equity, as `equity:AAPL`), and the labels of the "
            "configured spaCy pipeline (GPE, …)."
        ),
    }

    def __init__(self, settings: Settings) -> None:
        self._model = settings.spacy_model
        rules = f"rules {RULES_VERSION}, gazetteer (spaCy {installed('spacy')})"
        self.version = f"{rules}; {self._model}" if self._model else rules

    def apply(self, texts: pd.Series, frame: pd.DataFrame) -> pd.DataFrame:  # noqa: ARG002
        """The entities of each text, an empty list where there are none."""
        from pipeline_platform.enrich.words import names

        written = as_array(texts)
        found: defaultdict[int, set[str]] = defaultdict(set)
        tickers: dict[int, set[str]] = {}
        candidates = np.flatnonzero(_match(written, SPELLED))
        for text, said in zip(candidates.tolist(), written.take(arrow.array(candidates)).to_pylist(), strict=True):
            found[text] |= spelled(said)
            told = _tickers_among(found[text])
            if told:
                tickers[text] = told
                found[text] |= traded(told)
        for text, coins_named in coins(written):
            found[text] |= coins_named
        words = names(words_of(written))
        for text, listed in named_in(words, tickers):
            found[text] |= _listed(listed)
        for text, name, _, _ in persons_in(words):
            found[text].add(f"PERSON:{name}")
        if self._model and len(texts):
            self._add_configured(self._model, written.to_pylist(), found)
        entities = np.empty(len(texts), dtype=object)
        entities[:] = [[]] * len(texts)
        for text, one in found.items():
            entities[text] = sorted(one)
        return pd.DataFrame({"entities": entities})

    def _add_configured(self, model: str, texts: list[str], found: Mapping[int, set[str]]) -> None:
        rules = self.version.split("; ")[0]
        try:
            pipeline = _configured(model)
        except (ImportError, OSError, ValueError) as error:
            self.version = f"{rules}; {model} {UNAVAILABLE}"
            log.error(
                "PIPELINE_SPACY_MODEL=%s cannot be used, entities hold no persons, organisations and places: %s. "
                "Name an installed pipeline (python -m spacy download %s) or its folder.",
                model,
                error,
                model,
            )
            return
        self.version = f"{rules}; {pipeline.meta['name']} {pipeline.meta['version']}"
        with _READING:
            for text, document in enumerate(pipeline.pipe(texts)):
                found[text].update(
                    f"{entity.label_}:{' '.join(entity.text.split())}"
                    for entity in document.ents
                    if entity.label_ not in NUMERIC_LABELS and entity.text.strip()
                )
