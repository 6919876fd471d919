"""How to fetch and parse each upstream: one file per source, one line in `SOURCES` (see `registry.py`)."""
