"""What `make bench` measures; each module says at its top what it does."""
