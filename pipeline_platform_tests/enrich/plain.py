"""Plain Python for what compiled code does over many texts: what it must equal, text by text."""

import math
import re
from collections import Counter
from itertools import pairwise

from pipeline_platform.enrich.gazetteer import GAPS
from pipeline_platform.enrich.keywords import ELIDING, MAX_WORDS, rarity, word_in

KEYWORD = re.compile(r"[^\W_]+(?:['’\-.&+][^\W_]+)*")
ODD = (
    *(
        "",
        " ",
        "  ",
        "\n",
        "\r\n",
        "\t",
        "\u00a0",
        "\u2028",
        "\x85",
        "\x1f",
        ".",
        ",",
        "-",
        "'",
        "’",
        "&",
        "+",
        "_",
        "#",
    ),
    *(
        "İ",
        "ΣΑΣ",
        "ß",
        "ﬁ",
        "é",
        "e\u0301",
        "Z\u0351\u036b",
        "שלום",
        "مرحبا",
        "日本語",
        "😂",
        "👍🏽",
        "\ufeff",
        "\u202e",
        "²",
    ),
    *("the", "and", "wind", "l'accord", "d'été", "don't", "Ann's", "state-of-the-art", "6th", "x", "a" * 31),
    *(
        "bitcoin",
        "BTC",
        "Bitcoin Cash",
        "bitcoin  cash",
        "near protocol",
        "BTC/USD",
        "(ETH)",
        "</s>",
        "__label__en",
        "\0",
    ),
    *("New York", "York", "New", "York City", "São Paulo", "in", "Paris", "John", "Dr. John Smith", "University"),
)


def candidates(text, language):
    """Candidates of RAKE, word by word."""
    found, phrase, end = [], [], 0
    text = text.lower()
    for match in KEYWORD.finditer(text):
        gap = text[end : match.start()]
        word, breaks = word_in(match[0], language)
        apart = gap != " " and (gap.strip() or "\n" in gap)
        if phrase and (apart or (language in ELIDING and breaks)):
            found.append(tuple(phrase))
            phrase = []
        end = match.end()
        if word:
            phrase.append(word)
        elif phrase:
            found.append(tuple(phrase))
            phrase = []
    if phrase:
        found.append(tuple(phrase))
    return [one for one in found if len(one) <= MAX_WORDS]


def best(phrases, limit, *, by_degree):
    """The distinct phrases that weigh most."""
    often, degree = Counter(), Counter()
    for phrase in phrases:
        often.update(phrase)
        for word in phrase:
            degree[word] += len(phrase)

    def weight(phrase):
        total = 0.0
        for word in phrase:
            total += degree[word] / often[word] if by_degree else often[word] * rarity(word)
        return total if by_degree else total / math.sqrt(len(phrase))

    return [" ".join(one) for one in sorted(dict.fromkeys(phrases), key=weight, reverse=True)[:limit]]


def names(text, known):
    """The names of a list in a text: name, first and last word, the longest first."""
    by_words = {tuple(re.findall(r"\w+", name)): value for name, value in known.items()}
    tokens = list(re.finditer(r"\w+", text))
    found, at = [], 0
    while at < len(tokens):
        for count in range(min(max(map(len, by_words)), len(tokens) - at), 0, -1):
            words = tokens[at : at + count]
            value = by_words.get(tuple(word[0] for word in words))
            gaps = (text[a.end() : b.start()] for a, b in pairwise(words))
            if value is not None and all(gap in GAPS for gap in gaps):
                found.append((value, at, at + count - 1))
                at += count - 1
                break
        at += 1
    return found
