"""The command line: parses, prints, and nothing else. Nobody imports it."""
