"""Devices that are pretended, so that a model over several is tested where there is none."""
