"""Everything that is stored, shown or printed; free of torch."""
