"""What the kit checks of metrics."""
