"""The operators' commands. Nothing in the service imports them."""
