"""Feature extractors that scores are computed in, one a file."""
