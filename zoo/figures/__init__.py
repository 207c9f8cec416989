"""Pictures: the drawing functions take tensors and write one PNG each; only the gallery knows models."""

__all__: list[str] = []
