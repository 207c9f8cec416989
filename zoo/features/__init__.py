"""The small classifiers whose last hidden layer metrics of samples see with: shipped, kept, or trained on first use."""
