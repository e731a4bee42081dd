"""Programs of other projects, each with what it needs in a folder of its own: they are called, and never imported."""
