"""What you run: the command line, the worker process that owns the model, and the dashboard, page by page."""
