"""`strongroom receipts`: a payment ledger held against the log, in both directions; receipts made proofs."""
