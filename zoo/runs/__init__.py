"""Runs on disk: folder, weights, checkpoint, card."""
