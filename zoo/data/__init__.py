"""Image data: sets, sources, options, and what a training step does to pixels; imports no torch."""
