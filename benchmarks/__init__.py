"""Benchmarks: how fast the platform is, each time beside a peer or reference measured in the same run."""
