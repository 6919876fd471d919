"""Cleaning: from the raw envelope to canonical tables; what does not fit goes to quarantine with rule and reason.

Plain functions of frames: the same raw records give the same rows, and every record ends in exactly one of the two.
"""
