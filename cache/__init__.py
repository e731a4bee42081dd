"""Results in one DuckDB file: every evaluation for ever, every run, safe among several processes and against kill -9."""
