"""Plain text from the HTML that upstreams send in titles, summaries, posts and comments."""

import html
import re

from selectolax.lexbor import LexborHTMLParser

MOST_TAGS = 10_000
"""Of one entry; beyond this its markup is cut out instead of parsed, since deep nesting takes quadratic time."""

_MARKUP = re.compile(r"<[^<>]*>")
_HIDDEN = ["script", "style", "noscript", "template", "iframe", "object", "svg"]
_BLOCKS = (
    "address, article, aside, blockquote, dd, details, div, dl, dt, fieldset, figcaption, figure, footer, form, "
    "h1, h2, h3, h4, h5, h6, header, hr, li, main, nav, ol, p, section, summary, table, tr, ul"
)
_TAGGED = re.compile(r"</(?:a|b|div|em|h[1-6]|i|li|p|span|strong|table|ul)>|<(?:br|hr|img)\b[^<>]*>", re.IGNORECASE)
_BREAK = "\x1e"


def text_of(markup: str) -> str:
    """The text of HTML, a line per paragraph, without scripts and styles."""
    if markup.count("<") > MOST_TAGS:
        return _lines(html.unescape(_MARKUP.sub(_BREAK, markup)))
    tree = LexborHTMLParser(markup)
    tree.strip_tags(_HIDDEN)
    for node in tree.css("pre"):
        node.replace_with(_BREAK + node.text().replace("\n", _BREAK) + _BREAK)
    for node in tree.css("br"):
        node.replace_with(_BREAK)
    for node in tree.css(_BLOCKS):
        node.insert_before(_BREAK)
        node.insert_after(_BREAK)
    for node in tree.css("td, th"):
        node.insert_after(" ")
    return _lines(tree.body.text() if tree.body else "")


def text_of_plain(text: str) -> str:
    """The text of what is said to be plain, but often holds entities, or HTML that was escaped once too often."""
    text = html.unescape(text)
    if _TAGGED.search(text):
        return text_of(text)
    return "\n".join(line for line in map(str.strip, text.splitlines()) if line)


def _lines(text: str) -> str:
    lines = (" ".join(line.split()) for line in text.split(_BREAK))
    return "\n".join(line for line in lines if line)
