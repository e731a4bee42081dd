"""The process that owns the model, its jobs, and the handle that the dashboard has on it."""
