"""The hot path, side by side: tokenize and detokenize by us, by hand, and by transit alone."""
