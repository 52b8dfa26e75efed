"""How large a deployment must be: measured costs, times what is asked of it, through a small simulation."""
