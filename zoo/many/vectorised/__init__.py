"""Many models in one step: their weights are stacked, and torch.func computes all of their losses at once."""
