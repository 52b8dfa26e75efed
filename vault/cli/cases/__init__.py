"""`strongroom cases`: requests of people and orders of authorities, from receipt to answer."""
