"""Deduplication: copies inside and across sources are found, grouped and named; nothing is dropped but old captures."""
