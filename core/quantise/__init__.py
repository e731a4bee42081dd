"""A model's weights in four bits, by libraries of other projects; what they write is measured before it is believed."""
