"""What the kit checks of data sets."""
