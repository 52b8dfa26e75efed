"""Who may open what, and why: pure decisions over a policy that is data. No I/O, no clock."""
