"""Plugins: found, held to the contract, and read; what is wrong with one costs a line."""
