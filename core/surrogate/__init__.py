"""What predicts the worth of coalitions that were not measured, and how far it can be trusted."""
