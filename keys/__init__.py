"""Key management for Strongroom. Knows nothing of the service that uses it."""
