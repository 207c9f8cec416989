"""Kinds of model: which roles they have, and the class that puts their parts together."""
