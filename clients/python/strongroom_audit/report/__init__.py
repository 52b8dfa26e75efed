"""What auditors ask, answered from verified events: collected once, shown as terminal, CSV, JSON or HTML."""
