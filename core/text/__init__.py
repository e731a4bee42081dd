"""Corpora, and the windows of tokens that are cut from them."""
