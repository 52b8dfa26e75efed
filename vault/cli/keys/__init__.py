"""`strongroom keys`: what operators do to keys, by the identities `rotator` and `shredder`."""
