"""Charts that several pages draw, with their colours and descriptions."""
