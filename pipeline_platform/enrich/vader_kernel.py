"""The compiled loops of `vader.py`: reading words out of UTF-8, and the rules over the words of a text.

A rule is followed to the letter where the reference does something odd, and says so: its scores are what counts.
What runs for every byte or word gets numbers, not arrays: handing on an array counts references, which costs more than
the work itself. The constants stand here since compiled code is kept for as long as this file stays the same.
"""

import sys
from typing import NamedTuple

import numpy as np
from numba import njit

UPPER, NEGATES, LEXICON, BOOSTER, PHRASE = 1, 2, 4, 8, 16
"""Bits of a code: the word is written in capitals, is a negation or holds "n't", stands in the lexicon, among the
boosters, in a phrase with a value of its own. Above them stands its id."""

ID = 5
"""Bits that the id is shifted by."""

NAMED = ("no", "or", "nor", "kind", "of", "least", "at", "very", "never", "so", "this", "without", "doubt", "but")
"""Words that single rules name; their ids are 1, 2, … in this order, and 0 is any word that no rule knows."""

FNV_OFFSET, FNV_PRIME = 2166136261, 16777619
"""32-bit FNV-1a (Fowler, Noll, Vo), over the lower-case UTF-8 bytes of a word."""


class Words(NamedTuple):
    """The tables of the kernel. Few, since compiled code counts references to each when it hands them on.

    Attributes:
        slots: open hash table, a power of two long, a quarter full: hash of a word above 32 bits of its code; 0 is an
            empty slot.
        text, ends: UTF-8 of the words one after the other; the word with the id `i` ends before byte `ends[i]`.
        longest: bytes of the longest word.
        values: by id, the valence of a word of the lexicon, else what a booster adds. (The reference never asks for
            the boost of a word that is in the lexicon too.)
        phrases: ids of two (then the third is -1) or three words, a row each: first those that set the valence, then
            those that add to it ("sort of").
        phrase_values: what they set or add.
        setting: how many set.
        negation: what a negation multiplies the valence with.
        capitals: what capitals add.
    """

    slots: np.ndarray
    text: np.ndarray
    ends: np.ndarray
    longest: int
    values: np.ndarray
    phrases: np.ndarray
    phrase_values: np.ndarray
    setting: int
    negation: float
    capitals: float


NO, OR, NOR, KIND, OF, LEAST, AT, VERY, NEVER, SO, THIS, WITHOUT, DOUBT, BUT = range(1, len(NAMED) + 1)
EXCLAMATION, QUESTION = ord("!"), ord("?")
ENDING = ord("n") << 16 | ord("'") << 8 | ord("t")

COMPENSATED = sys.version_info >= (3, 12)
"""`sum` of this Python compensates rounding errors."""

compiled = njit(cache=True, nogil=True)
inlined = njit(forceinline=True)


@inlined
def _is_punctuation(byte: int) -> bool:
    """`string.punctuation`: all of printable ASCII but letters and digits."""
    return 33 <= byte <= 47 or 58 <= byte <= 64 or 91 <= byte <= 96 or 123 <= byte <= 126


@inlined
def _wide_space(lead: np.int64, second: np.int64, third: np.int64) -> int:
    """Bytes of the white space outside ASCII that starts with these bytes; 0 if it is none."""
    if lead == 0xC2:
        return 2 if second == 0x85 or second == 0xA0 else 0
    point = (lead & 0x0F) << 12 | (second & 0x3F) << 6 | third & 0x3F
    if 0x2000 <= point <= 0x200A or point == 0x1680 or point == 0x3000:
        return 3
    return 3 if point == 0x2028 or point == 0x2029 or point == 0x202F or point == 0x205F else 0


@inlined
def _space(data: np.ndarray, at: int) -> int:
    """Bytes of the white space at `at`, as `str.split` sees it (Unicode bidirectional types B, S, WS and Zs); or 0."""
    byte = data[at]
    if byte <= 32:
        return 1 if 9 <= byte <= 13 or byte >= 28 else 0
    if byte < 0xC2 or byte > 0xE3:
        return 0
    last = len(data) - 1
    return _wide_space(np.int64(byte), np.int64(data[min(at + 1, last)]), np.int64(data[min(at + 2, last)]))


@inlined
def _found(data: np.ndarray, start: int, end: int, hashed: np.int64, words: Words) -> int:
    """Code of the word between `start` and `end`, 0 if no rule knows it."""
    mask = len(words.slots) - 1
    at = hashed & mask
    while words.slots[at] != 0:
        entry = words.slots[at]
        if entry >> 32 & 0xFFFFFFFF == hashed:
            code = entry & 0xFFFFFFFF
            first = words.ends[(code >> ID) - 1]
            size = words.ends[code >> ID] - first
            same = 0
            while same < size and size == end - start and words.text[first + same] == _lower(data[start + same]):
                same += 1
            if same == size:
                return code
        at = at + 1 & mask
    return 0


@inlined
def _lower(byte: np.int64) -> np.int64:
    return byte + 32 if 65 <= byte <= 90 else byte


@compiled
def _code(data: np.ndarray, start: int, end: int, words: Words) -> int:
    """Code of the ASCII token between `start` and `end`.

    Punctuation around it is taken off unless two characters or fewer would stay: then it was an emoticon.
    """
    first, last = start, end
    while first < last and _is_punctuation(data[first]):
        first += 1
    while last > first and _is_punctuation(data[last - 1]):
        last -= 1
    if last - first <= 2:
        first, last = start, end
    capitals, small, spelled = False, False, 0
    hashed = np.int64(FNV_OFFSET)
    ending = np.int64(0)
    for at in range(first, last):
        written = np.int64(data[at])
        byte = _lower(written)
        if byte != written:
            capitals = True
        elif 97 <= byte <= 122:
            small = True
        ending = (ending << 8 | byte) & 0xFFFFFF
        if ending == ENDING:
            spelled = NEGATES
        hashed = (hashed ^ byte) * FNV_PRIME & 0xFFFFFFFF
    if capitals and not small:
        spelled |= UPPER
    return spelled if last - first > words.longest else spelled | _found(data, first, last, hashed, words)


@compiled
def read(
    data: np.ndarray,
    offsets: np.ndarray,
    words: Words,
    codes: np.ndarray,
    ends: np.ndarray,
    marks: np.ndarray,
    foreign: np.ndarray,
) -> int:
    """Read the tokens of texts.

    Args:
        data: UTF-8 of the texts.
        offsets: (n + 1); text `i` lies between `offsets[i]` and `offsets[i + 1]`.
        words: the known words.
        codes: filled with the code of each token, -1 for a token outside ASCII.
        ends: (n), filled with where the tokens of each text end in `codes`.
        marks: (n, 2), filled with the number of `!` and of `?` in each text.
        foreign: (as many as codes, 2), filled with where the tokens outside ASCII start and end in `data`.

    Returns:
        How many tokens are outside ASCII.
    """
    count, strangers = 0, 0
    for text in range(len(offsets) - 1):
        at, end = offsets[text], offsets[text + 1]
        exclamations, questions = 0, 0
        while at < end:
            width = _space(data, at)
            if width:
                at += width
                continue
            start, seen = at, np.uint8(0)
            while at < end and _space(data, at) == 0:
                byte = data[at]
                seen |= byte
                exclamations += byte == EXCLAMATION
                questions += byte == QUESTION
                at += 1
            if seen < 128:
                codes[count] = _code(data, start, at, words)
            else:
                codes[count], foreign[strangers, 0], foreign[strangers, 1] = -1, start, at
                strangers += 1
            count += 1
        ends[text], marks[text, 0], marks[text, 1] = count, exclamations, questions
    return strangers


@inlined
def _boosted(valence: float, boost: float, capitals: float, back: int) -> float:
    """The valence after a booster or dampener `back` places before it."""
    if valence < 0:
        boost *= -1
    boost += capitals if valence > 0 else -capitals
    return valence + (boost * 0.95 if back == 2 else boost * 0.9 if back == 3 else boost)


@inlined
def _is_so(code: int) -> bool:
    return code >> ID == SO or code >> ID == THIS


@inlined
def _after_negation(valence: float, third: int, second: int, first: int, back: int, negation: float) -> float:
    """The valence after the word `back` places before it: "never so" strengthens, "without doubt" leaves it.

    `first`, `second` and `third` are the codes of the words right before, before that and before that.
    """
    strengthened, left, code = False, False, first
    if back == 2:
        code = second
        strengthened = second >> ID == NEVER and _is_so(first)
        left = second >> ID == WITHOUT and first >> ID == DOUBT
    elif back == 3:
        code = third
        # "and" binds before "or" in the reference: "so" or "this" right before strengthens without a "never".
        strengthened = (third >> ID == NEVER and _is_so(second)) or _is_so(first)
        left = third >> ID == WITHOUT and (second >> ID == DOUBT or first >> ID == DOUBT)
    if strengthened:
        return valence * 1.25
    return valence * negation if code & NEGATES and not left else valence


@compiled
def _phrase(text: np.ndarray, start: int, size: int, words: Words, adding: bool) -> int:
    """Row of the phrase that `size` words from `start` are, -1 if none."""
    third = text[start + 2] >> ID if size == 3 else -1
    rows = range(words.setting, len(words.phrases)) if adding else range(words.setting)
    for row in rows:
        if (
            words.phrases[row, 0] == text[start] >> ID
            and words.phrases[row, 1] == text[start + 1] >> ID
            and words.phrases[row, 2] == third
        ):
            return row
    return -1


@compiled
def _with_phrases(valence: float, text: np.ndarray, i: int, words: Words) -> float:
    """The valence that phrases around word `i` set or add to, in the order of the reference."""
    for start, size in ((i - 1, 2), (i - 2, 3), (i - 2, 2), (i - 3, 3), (i - 3, 2)):
        row = _phrase(text, start, size, words, False)
        if row >= 0:
            valence = words.phrase_values[row]
            break
    for size in (2, 3):
        row = _phrase(text, i, size, words, False) if i + size <= len(text) else -1
        if row >= 0:
            valence = words.phrase_values[row]
    for start, size in ((i - 3, 3), (i - 3, 2), (i - 2, 2)):
        row = _phrase(text, start, size, words, True)
        if row >= 0:
            valence += words.phrase_values[row]
    return valence


@inlined
def _no_before(third: int, second: int, first: int) -> bool:
    """A "no" stands one or two words before, or three and "or" or "nor" between."""
    return first >> ID == NO or second >> ID == NO or (third >> ID == NO and (first >> ID == OR or first >> ID == NOR))


@compiled
def _valence(text: np.ndarray, i: int, differs: bool, words: Words) -> float:
    """The valence of word `i`, which is in the lexicon, by what stands around it."""
    word = text[i] >> ID
    following = text[i + 1] if i + 1 < len(text) else 0
    if word == KIND and following >> ID == OF:
        return 0.0
    # No word is as good as one that no rule knows.
    first = text[i - 1] if i > 0 else 0
    second = text[i - 2] if i > 1 else 0
    third = text[i - 3] if i > 2 else 0
    valence = 0.0 if word == NO and following & LEXICON else words.values[word]
    if _no_before(third, second, first):
        valence = words.values[word] * words.negation
    if text[i] & UPPER and differs:
        valence += words.capitals if valence > 0 else -words.capitals
    for back in range(1, min(i, 3) + 1):
        code = text[i - back]
        if code & LEXICON:
            continue
        if code & BOOSTER:
            valence = _boosted(
                valence, words.values[code >> ID], words.capitals if code & UPPER and differs else 0.0, back
            )
        valence = _after_negation(valence, third, second, first, back, words.negation)
        if back == 3 and (first | second | following) & PHRASE:
            valence = _with_phrases(valence, text, i, words)
    # "at least" and "very least" do not turn round.
    if first >> ID == LEAST and not first & LEXICON and second >> ID != AT and second >> ID != VERY:
        valence *= words.negation
    return valence


@compiled
def _contrast(text: np.ndarray, valences: np.ndarray) -> None:
    """Halve what stands before the first "but", and add half to what stands behind it.

    The reference finds a word again by its valence: of equal ones the first is changed, each time one comes.
    """
    turn, n = 0, len(text)
    while turn < n and text[turn] >> ID != BUT:
        turn += 1
    if turn == n:
        return
    for k in range(n):
        if valences[k] == 0:
            continue
        first = 0
        while valences[first] != valences[k]:
            first += 1
        if first != turn:
            valences[first] *= 0.5 if first < turn else 1.5


@compiled
def _total(valences: np.ndarray, n: int) -> float:
    """`sum`, from Python 3.12 on with the compensation of Neumaier (1974)."""
    total, lost = 0.0, 0.0
    for k in range(n):
        value = valences[k]
        added = total + value
        if COMPENSATED:
            lost += (total - added) + value if abs(total) >= abs(value) else (value - added) + total
        total = added
    return total + lost


@inlined
def _emphasis(exclamations: int, questions: int) -> float:
    """What `!` (up to 4) and `?` (2 or more) add."""
    asked = 0.0
    if questions > 1:
        asked = questions * 0.18 if questions <= 3 else 0.96
    return min(exclamations, 4) * 0.292 + asked


@compiled
def _shares(valences: np.ndarray, n: int, emphasis: float, row: np.ndarray) -> None:
    """Positive, neutral and negative share; a word counts its valence and 1, as a neutral word counts 1."""
    positive, negative, neutral = 0.0, 0.0, 0
    for k in range(n):
        if valences[k] > 0:
            positive += valences[k] + 1
        elif valences[k] < 0:
            negative += valences[k] - 1
        else:
            neutral += 1
    if positive > abs(negative):
        positive += emphasis
    elif positive < abs(negative):
        negative -= emphasis
    total = positive + abs(negative) + neutral
    row[1], row[2], row[3] = positive / total, neutral / total, abs(negative / total)


@compiled
def _differs(text: np.ndarray) -> bool:
    """Some words, but not all of them, are written in capitals."""
    capitals = 0
    for code in text:
        capitals += code & UPPER
    return 0 < capitals < len(text)


@compiled
def score(
    codes: np.ndarray, ends: np.ndarray, marks: np.ndarray, words: Words, valences: np.ndarray, out: np.ndarray
) -> None:
    """Score texts.

    Args:
        codes: codes of the words of all texts.
        ends: (n), where the words of each text end in `codes`.
        marks: (n, 2), number of `!` and of `?` in each text.
        words: the known words.
        valences: scratch space as long as `codes`.
        out: (n, 4), filled with compound score and shares (positive, neutral, negative) before rounding; zeros for a
            text without words.
    """
    start = 0
    for k in range(len(ends)):
        text, n = codes[start : ends[k]], ends[k] - start
        start = ends[k]
        out[k] = 0.0
        if n == 0:
            continue
        differs = _differs(text)
        for i in range(n):
            code = text[i]
            valences[i] = _valence(text, i, differs, words) if code & (LEXICON | BOOSTER) == LEXICON else 0.0
        _contrast(text, valences)
        total = _total(valences, n)
        emphasis = _emphasis(marks[k, 0], marks[k, 1])
        if total > 0:
            total += emphasis
        elif total < 0:
            total -= emphasis
        out[k, 0] = total / np.sqrt(total * total + 15)
        _shares(valences, n, emphasis, out[k])
