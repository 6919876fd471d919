"""Aggregates: hourly and daily facts and signals, each a pure function of frames. One file per theme."""
