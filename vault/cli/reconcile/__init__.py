"""`strongroom reconcile` and the files it reads."""
