"""What metrics of samples see with: small classifiers, shipped, kept or trained on first use, and Inception v3."""
