"""The command line: its options, how a command opens the results file and the engine, and how it answers."""
