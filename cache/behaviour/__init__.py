"""What a results file holds of models beside their losses: answers to tasks, and what else was measured of plans."""
