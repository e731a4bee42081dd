"""Results in one DuckDB file: every evaluation, every run; safe among several processes and against kill -9."""
