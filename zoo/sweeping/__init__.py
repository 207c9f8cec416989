"""Training along options: what is swept, the runs, and which value is best."""
