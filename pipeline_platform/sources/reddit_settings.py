"""Settings of Reddit: the app, what to watch, and how much of the trees of comments to read."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from pipeline_platform.sources.base import SourceSettings

_SUBREDDIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]{1,20}|u_[A-Za-z0-9_-]{3,20}")

_LONGEST_QUERY = 512
"""Characters that Reddit takes as a query."""


def _subreddit_name(name: str) -> str:
    if not _SUBREDDIT.fullmatch(name):
        raise ValueError(f"{name!r} is no subreddit name; give what follows r/ in its address, like technology")
    return name


Subreddit = Annotated[str, AfterValidator(_subreddit_name)]


class Search(BaseModel):
    """A search for posts, in all of Reddit or in one subreddit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    query: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=_LONGEST_QUERY)]
    subreddit: Subreddit | None = None
    sort: Literal["new", "relevance", "hot", "top", "comments"] = "new"

    @property
    def target(self) -> str:
        """Its name among the targets."""
        place = f"r/{self.subreddit}: " if self.subreddit else ""
        return f"{place}{self.query}{f' (by {self.sort})' if self.sort != 'new' else ''}"


class RedditSettings(SourceSettings):
    """Settings of Reddit; both credentials are needed, it has no anonymous access."""

    client_id: SecretStr | None = Field(None, description="Id of the app, shown under its name.")
    client_secret: SecretStr | None = Field(None, description="Secret of the app.")
    user_agent: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e][\x20-\x7e]{6,}$")] | None = Field(
        None,
        description="`<platform>:<app id>:<version> (by /u/<you>)`, as Reddit asks; names this software if unset.",
    )
    subreddits: list[Subreddit] = Field(
        ["technology", "programming", "worldnews", "stocks", "CryptoCurrency"],
        description="Subreddits to watch, without r/.",
    )
    trees: int = Field(
        2,
        ge=0,
        le=100,
        description="Posts per subreddit whose whole tree of comments is read at each fetch: the most discussed of the "
        "newest hundred. 0 leaves it at the newest comments.",
    )
    tree_expansions: int = Field(
        5, ge=0, le=100, description="Requests that may follow `more` links inside of one tree, largest first."
    )
    searches: list[Search] = Field(
        [Search(query='"interest rates"'), Search(query="open source", subreddit="programming")],
        description='Searches for posts: `[{"query": "…", "subreddit": "…", "sort": "new"}]`; without a subreddit all '
        "of Reddit is searched.",
    )
