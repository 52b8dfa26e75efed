"""The HTTP edge: turns requests into asks and answers into JSON. Nothing here decides."""
