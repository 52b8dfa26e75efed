"""One verb per file, each taking a list. The safety order is visible on the page."""
