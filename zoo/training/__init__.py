"""How models are trained: options, data path, optimisers, loop."""
