"""Trains the models that are shipped: `make models CORPORA=../shared/corpora`. Not part of the installed package."""
