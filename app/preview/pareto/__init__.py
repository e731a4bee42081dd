"""Every plan as a point among the measures that people decide by."""
