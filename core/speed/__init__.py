"""How fast a smaller model writes beside the whole one, and how much memory both take."""
