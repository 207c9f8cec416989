"""What the kit checks of a plugin as a whole: how it loads, and what it declares."""
