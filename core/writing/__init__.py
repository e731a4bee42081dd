"""How a pruned model behaves beside the whole one: what it writes, where it agrees, which last words it finds."""
