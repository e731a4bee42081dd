"""The page Surrogate: predictions held against measurements, extrapolation, and why one set is predicted so."""
