"""Any number of runs beside each other."""
