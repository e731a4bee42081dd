"""The tab Search of the page Preview: the best plan of every count, and what compensation makes of it."""
