"""Governing personal data: pseudonyms now; retention, erasure and audit belong here too."""
