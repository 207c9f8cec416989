"""Several processes that train one model: who they are, how they share a batch, what they tell each other."""
