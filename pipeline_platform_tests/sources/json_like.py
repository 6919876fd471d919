"""JSON-like values for property tests: anything, and samples with some of their values replaced by anything."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import httpx
from hypothesis import strategies as st

from pipeline_platform.sources.client import Response

leaves: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
)
anything = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in _places(item, (*path, key)))]


@st.composite
def nearly(draw: Callable[..., Any], samples: Sequence[Any]) -> Any:
    """A sample in which up to three values, perhaps the whole, are anything else."""
    value = copy.deepcopy(draw(st.sampled_from(list(samples))))
    for _ in range(draw(st.integers(1, 3))):
        places = _places(value)
        place = draw(st.sampled_from(places))
        if not place:
            value = draw(anything)
            continue
        holder = value
        for step in place[:-1]:
            holder = holder[step]
        holder[place[-1]] = draw(anything)
    return value


def answer(body: bytes, status: int = 200) -> Response:
    """A response as `diagnose` is given it."""
    return Response(status, httpx.Headers(), body, "https://api.example.org/x", {}, from_sandbox=False)
