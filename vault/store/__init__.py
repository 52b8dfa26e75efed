"""The wall: plaintext above, ciphertext below. The only importer of SQLAlchemy beside keys/keystore.py."""
