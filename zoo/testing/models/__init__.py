"""What the kit checks of models."""
