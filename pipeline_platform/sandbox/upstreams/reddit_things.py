"""Posts, comments and trees of comments as Reddit writes them: https://www.reddit.com/dev/api, `t3`, `t1` and `more`.

A post or comment that was taken away is seen no more in listings, keeps its place in trees and under `api/info`, as
`[deleted]` by its author or `[removed]` by a moderator, or is not shown by `api/info` at all.
"""

import html
from datetime import timedelta
from typing import Any
from zlib import crc32

from pipeline_platform.sandbox.world import Post, World, base36

Thing = dict[str, Any]

REPLYING_SHARE = 0.5
"""Share of the comments that answer another comment."""

WIDTH, DEPTH = 3, 2
"""Comments beside and below each other that a tree shows before a `more` stands for the rest."""

EXPANDED_AT_ONCE = 4
"""Comments that one request for `more` gives; Reddit gives up to a hundred."""

REMOVALS = ("deleted", "moderator", "gone")
"""Ways in which something was taken away: by its author, by a moderator, without a trace."""


def _markdown_as_html(text: str) -> str | None:
    if not text:
        return None
    paragraphs = "\n\n".join(f"<p>{html.escape(part, quote=False)}</p>" for part in text.split("\n\n"))
    return f'<!-- SC_OFF --><div class="md">{paragraphs}\n</div><!-- SC_ON -->'


def _common(post: Post) -> dict[str, Any]:
    created = post.created_at.timestamp()
    return {
        "name": post.upstream_id,
        "id": post.upstream_id[3:],
        "subreddit": post.channel,
        "subreddit_name_prefixed": f"r/{post.channel}",
        "subreddit_type": "public",
        "author": post.author,
        "author_fullname": f"t2_{base36(crc32(post.author.encode()))}",
        "score": post.score,
        "ups": post.score,
        "downs": 0,
        "edited": False,
        "over_18": False,
        "stickied": False,
        "locked": False,
        "archived": False,
        "distinguished": None,
        "created": created,
        "created_utc": created,
    }


def _post(post: Post) -> dict[str, Any]:
    permalink = post.url.removeprefix("https://www.reddit.com")
    return _common(post) | {
        "title": post.title,
        "selftext": post.text,
        "selftext_html": _markdown_as_html(post.text),
        "permalink": permalink,
        "url": post.url,
        "domain": f"self.{post.channel}",
        "is_self": True,
        "is_video": False,
        "thumbnail": "self",
        "link_flair_text": post.topic.capitalize(),
        "hide_score": False,
        "upvote_ratio": 0.5 + post.number % 51 / 100,
        "num_comments": post.replies,
        "num_crossposts": 0,
        "removed_by_category": None,
        "banned_by": None,
        "spoiler": False,
        "media": None,
    }


def _comment(post: Post, parent: Post, answered: str, *, parent_is_gone: bool) -> dict[str, Any]:
    return _common(post) | {
        "body": post.text,
        "body_html": _markdown_as_html(post.text) or '<div class="md"></div>',
        "link_id": parent.upstream_id,
        "parent_id": answered,
        "link_title": "[deleted by user]" if parent_is_gone else parent.title,
        "link_author": "[deleted]" if parent_is_gone else parent.author,
        "link_permalink": parent.url,
        "permalink": post.url.removeprefix("https://www.reddit.com"),
        "num_comments": parent.replies,
        "replies": "",
        "score_hidden": False,
        "controversiality": 0,
        "banned_by": None,
        "is_submitter": post.author == parent.author,
    }


def _garbled(world: World, post: Post, data: dict[str, Any]) -> dict[str, Any]:
    """`data` with one field of a type that Reddit never sends."""
    text = "title" if post.kind == "post" else "body"
    wrong: tuple[dict[str, Any], ...] = (
        {"created_utc": "a while ago"},
        {"score": "many"},
        {text: {"text": data[text]}},
        {"subreddit": None},
    )
    return data | world.rng("reddit", "garble", post.key).choice(wrong)


class Threads:
    """The comments of one subreddit under their posts, as far as they are shown by now.

    Args:
        world: whose.
        subreddit: which.
    """

    def __init__(self, world: World, subreddit: str) -> None:
        self._world = world
        self._subreddit = subreddit
        self._answers: dict[str, dict[str, list[Post]]] = {}
        self._answered: dict[str, str] = {}

    def thing(self, post: Post) -> Thing:
        """A post or a comment, without its replies."""
        world = self._world
        if post.kind == "post":
            data = _post(post)
        else:
            parent = self._parent(post)
            self.answers(parent)
            answered = self._answered[post.key]
            data = _comment(post, parent, answered, parent_is_gone=world.is_removed(parent))
        if post.flaw == "malformed":
            data = _garbled(world, post, data)
        if world.is_removed(post):
            data |= _what_is_left(removal_of(world, post), post.kind)
        return {"kind": post.upstream_id[:2], "data": data}

    def answers(self, post: Post) -> dict[str, list[Post]]:
        """Fullname of the post or of a comment -> the comments that answer it, oldest first."""
        if post.key not in self._answers:
            found = self._answers[post.key] = {}
            for number, comment in enumerate(comments := self._comments(post)):
                rng = self._world.rng("reddit", "answer", comment.key)
                above = post if not number or rng.random() >= REPLYING_SHARE else comments[rng.randrange(number)]
                found.setdefault(above.upstream_id, []).append(comment)
                self._answered[comment.key] = above.upstream_id
        return self._answers[post.key]

    def tree(self, post: Post, top: Post | None = None) -> list[Thing]:
        """The comments of a post, nested and cut, or one of them with what is below it."""
        if top is None:
            return self._level(self.answers(post), post, 0)
        return [self._with_replies(self.answers(post), top, 0)]

    def expansion(self, post: Post, wanted: list[str]) -> list[Thing]:
        """The comments with the ids `wanted`, flat; `more` things for what is below them and for what is too much."""
        answers = self.answers(post)
        known = {comment.upstream_id[3:]: comment for level in answers.values() for comment in level}
        chosen = [known[name] for name in wanted if name in known]
        things = []
        for comment in chosen[:EXPANDED_AT_ONCE]:
            things.append(self.thing(comment))
            if below := answers.get(comment.upstream_id, []):
                things.append(_more(answers, comment.upstream_id, below))
        if rest := chosen[EXPANDED_AT_ONCE:]:
            things.append(_more(answers, self._answered[rest[0].key], rest))
        return things

    def _parent(self, comment: Post) -> Post:
        parent = self._world.post(comment.parent) if comment.parent else None
        if parent is None:
            raise LookupError(f"the comment {comment.key} has no parent in the world")
        return parent

    def _comments(self, post: Post) -> list[Post]:
        day = post.shown_at.date()
        shown = [
            one
            for ahead in range(2)
            for one in self._world.channel_posts("reddit", self._subreddit, day + timedelta(days=ahead))
        ]
        return [one for one in shown if one.parent == post.key]

    def _level(self, answers: dict[str, list[Post]], above: Post, depth: int) -> list[Thing]:
        comments = answers.get(above.upstream_id, [])
        if comments and depth >= DEPTH:
            return [_continued(above.upstream_id)]
        things = [self._with_replies(answers, comment, depth) for comment in comments[:WIDTH]]
        rest = comments[WIDTH:]
        return [*things, _more(answers, above.upstream_id, rest)] if rest else things

    def _with_replies(self, answers: dict[str, list[Post]], comment: Post, depth: int) -> Thing:
        thing = self.thing(comment)
        if below := self._level(answers, comment, depth + 1):
            thing["data"]["replies"] = listing(below)
        return thing


def listing(children: list[Thing], after: str | None = None) -> Thing:
    """The envelope of a list of things; `after` names the last of them if there are more."""
    data = {
        "after": after,
        "dist": len(children),
        "modhash": None,
        "geo_filter": "",
        "children": children,
        "before": None,
    }
    return {"kind": "Listing", "data": data}


def removal_of(world: World, post: Post) -> str:
    """One of `REMOVALS`, for a post that was or will be taken away."""
    return world.rng("reddit", "removal", post.key).choice(REMOVALS)


def _what_is_left(how: str, kind: str) -> dict[str, Any]:
    word = "[deleted]" if how == "deleted" else "[removed]"
    if kind == "comment":
        return {"author": "[deleted]", "body": word, "body_html": f'<div class="md"><p>{word}</p>\n</div>'}
    author = {"author": "[deleted]"} if how == "deleted" else {}
    return {"selftext": word, "selftext_html": f"<p>{word}</p>", "removed_by_category": how} | author


def _more(answers: dict[str, list[Post]], above: str, rest: list[Post]) -> Thing:
    count, waiting = 0, list(rest)
    while waiting:
        count += 1
        waiting += answers.get(waiting.pop().upstream_id, [])
    first = rest[0].upstream_id
    names = [comment.upstream_id[3:] for comment in rest]
    return {
        "kind": "more",
        "data": {"count": count, "name": first, "id": first[3:], "parent_id": above, "depth": 0, "children": names},
    }


def _continued(above: str) -> Thing:
    return {
        "kind": "more",
        "data": {"count": 0, "name": "t1__", "id": "_", "parent_id": above, "depth": DEPTH, "children": []},
    }
