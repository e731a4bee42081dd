"""The tables of a results file, how they came to be, and how a file is held against them."""
