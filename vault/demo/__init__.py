"""Sample data for the demonstration and the tests. Everything in here is invented."""
