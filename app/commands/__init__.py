"""The commands of the command line: each takes parsed options and prints one answer."""
