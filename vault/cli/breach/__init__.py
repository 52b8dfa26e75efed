"""`strongroom breach`: what a credential or a period touched, and drafts of the notices the law asks for."""
