"""What each layer adds to the answers to tasks: asked for, and shown."""
