"""A model that goes on after prompts: token by token, several in step; and the text of a run that it writes itself."""
