"""Enrichment: what a document says about itself: language, sentiment, entities. One component per file."""
