"""What the kit checks of parts and compositions, with their mathematics."""
