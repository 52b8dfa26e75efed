"""What happened, provably: events, their commitments, and the lists workers sign."""
