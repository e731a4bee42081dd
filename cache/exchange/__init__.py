"""Evaluations that come from other results files and go to them, as Parquet."""
