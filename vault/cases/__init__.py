"""Requests of data subjects: cases, decisions by four eyes, disclosures, letters. Pure."""
