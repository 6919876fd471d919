"""What the synthetic posts say: texts from the grammars of `phrases_*`, seeded, in a known tone and language."""

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

from pipeline_platform.sandbox import phrases_english, phrases_foreign

TONES = ("positive", "negative", "neutral")
LANGUAGES = (("en", 0.88), ("de", 0.04), ("fr", 0.03), ("es", 0.03), ("ja", 0.02))
EMOJI = {
    "positive": ("🚀", "🎉", "😀", "👏", "🌞", "💚", "🙌"),
    "negative": ("😡", "😢", "💔", "📉", "😱", "👎", "😞"),
    "neutral": ("📌", "📎", "🗓️", "🧾", "📍"),
}
SHINGLE = 5
NEAR_AT_LEAST = 0.82
"""Jaccard similarity of the byte shingles of a near copy, a little above the 0.8 from which texts count as near."""

_NUMBERS: dict[str, Callable[[random.Random], str]] = {
    "number": lambda rng: str(rng.randrange(11, 9999)),
    "small": lambda rng: str(rng.randrange(2, 40)),
    "hour": lambda rng: f"{rng.randrange(24):02d}:{rng.randrange(60):02d}",
    "pct": lambda rng: f"{rng.uniform(0.5, 60):.1f} %",
    "price": lambda rng: f"{rng.uniform(0.2, 900):.2f} USD",
    "money": lambda rng: f"{rng.uniform(1, 990):.1f} {rng.choice(('k', 'M'))} USD",
    "degrees": lambda rng: f"{rng.uniform(-15, 38):.1f} °C",
    "mm": lambda rng: f"{rng.uniform(0.2, 90):.1f} mm",
    "hexes": lambda rng: f"{rng.randrange(16**7):07x}",
}


@dataclass(frozen=True, slots=True)
class Written:
    """A title (None for comments) and a text, with what is true of them."""

    title: str | None
    text: str
    topic: str
    tone: str
    language: str


class Grammar:
    """Symbols and their expansions, linked to each other so that expanding looks nothing up."""

    def __init__(self, symbols: Mapping[str, tuple[str, ...]]) -> None:
        self._symbols: dict[str, Any] = {name: [] for name in symbols}
        for name, texts in symbols.items():
            self._symbols[name].extend(self._linked(text) for text in texts)

    def _linked(self, text: str) -> list[Any]:
        pieces = re.split(r"\{([\w.]+)\}", text)
        symbols = [_NUMBERS.get(name) or self._symbols[name] for name in pieces[1::2]]
        return [part for pair in zip_longest(pieces[::2], symbols) for part in pair if part not in (None, "")]

    def expand(self, rng: random.Random, symbol: str) -> str:
        """An expansion of `symbol`, with every symbol in it expanded."""
        words: list[str] = []
        _expand(rng, self._symbols[symbol], words)
        return "".join(words)


def _expand(rng: random.Random, options: list[Any], words: list[str]) -> None:
    for part in options[int(rng.random() * len(options))]:
        if part.__class__ is str:
            words.append(part)
        elif part.__class__ is list:
            _expand(rng, part, words)
        else:
            words.append(part(rng))


_ENGLISH = Grammar(phrases_english.GRAMMAR)
_TOPICS = ("coins", "markets", "weather", "programming", "news")
_FOREIGN = {
    (language, topic): Grammar(
        phrases_english.GRAMMAR | symbols | {"subject": symbols[f"subject.{topic}"]},
    )
    for language, symbols in phrases_foreign.GRAMMARS.items()
    for topic in _TOPICS
}


def write(rng: random.Random, topic: str, kind: str, *, titled: bool, tone: str | None = None) -> Written:
    """A post, comment, tweet, article, story or issue about `topic`, in any tone or the one that is told."""
    chance = TONES[int(rng.random() * 3)]
    tone = tone or chance
    (language,) = rng.choices([name for name, _ in LANGUAGES], [share for _, share in LANGUAGES])
    grammar = _ENGLISH if language == "en" else _FOREIGN[language, topic]
    start = f"{topic}.{tone}" if language == "en" else tone
    title = None
    if titled:
        title = _capital(grammar.expand(rng, f"{topic}.title" if language == "en" else "title"))
    count = 1 if not titled else rng.choice((2, 2, 3, 4)) if kind == "article" else rng.choice((1, 2, 2, 3))
    sentences = [grammar.expand(rng, start) for _ in range(count if language == "en" else count + 1)]
    if language == "en":
        sentences.append(grammar.expand(rng, f"remark.{tone}"))
    if kind == "comment" and language == "en":
        sentences[0] = f"{grammar.expand(rng, 'opener')} {sentences[0]}"
    stop, joint = ("。", "") if language == "ja" else (".", " ")
    text = joint.join(_capital(sentence) + stop for sentence in sentences)
    if kind in ("post", "comment", "tweet") and rng.random() < 0.15:
        text = f"{text} {rng.choice(EMOJI[tone])}"
    return Written(title, text, topic, tone, language)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


_CITIES = re.compile("|".join(map(re.escape, phrases_english.SHARED["city"])))
_COINS = re.compile("|".join(map(re.escape, phrases_english.COINS["coin"])), re.IGNORECASE)


def set_in(written: Written, city: str) -> Written:
    """The same in `city`: every other city becomes it, and a text without one begins with it."""
    text, times = _CITIES.subn(city, written.text)
    title = written.title and _CITIES.sub(city, written.title)
    return replace(written, title=title, text=text if times else f"{city}: {text}")


def about(written: Written, coin: str) -> Written:
    """The same about `coin`: every other coin becomes it."""
    title = written.title and _COINS.sub(coin, written.title)
    return replace(written, title=title, text=_COINS.sub(coin, written.text))


def nearly(rng: random.Random, written: Written) -> Written:
    """A near copy: a word dropped, a number changed or a few words added, similar by at least `NEAR_AT_LEAST`."""
    edits = [_drop_a_word, _change_a_number, _add_words]
    rng.shuffle(edits)
    for edit in edits:
        changed = replace(written, text=edit(rng, written.text))
        if NEAR_AT_LEAST <= similarity(written, changed) < 1:
            return changed
    # One letter more is near enough for the shortest of texts.
    return replace(written, text=written.text + "s")


def similarity(one: Written, other: Written) -> float:
    """Jaccard similarity of the two texts as sets of five-byte shingles, title and text together, case ignored."""
    left, right = _shingles(one), _shingles(other)
    return len(left & right) / len(left | right)


def _shingles(written: Written) -> set[bytes]:
    data = f"{written.title or ''} {written.text}".strip().lower().encode()
    return {data[start : start + SHINGLE] for start in range(max(1, len(data) - SHINGLE + 1))}


def _drop_a_word(rng: random.Random, text: str) -> str:
    words = text.split(" ")
    del words[rng.randrange(len(words))]
    return " ".join(words)


def _change_a_number(rng: random.Random, text: str) -> str:
    numbers = list(re.finditer(r"\d+", text))
    if not numbers:
        return text
    chosen = rng.choice(numbers)
    return f"{text[: chosen.start()]}{int(chosen[0]) + rng.randint(1, 8)}{text[chosen.end() :]}"


def _add_words(rng: random.Random, text: str) -> str:
    return f"{text} {rng.choice(('(updated)', 'via wire', '(2nd post)', '#repost', 'More to come.', '(ed.)'))}"
