"""The command line: each command, how it opens the results file and the engine, and how it answers."""
