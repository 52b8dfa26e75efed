"""How long the law asks for a value, and until when it may stay: pure judgement over a calendar. No clock."""
