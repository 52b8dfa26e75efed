"""`strongroom retention`: rules, explanations, runs, and the proof that nothing is overdue."""
