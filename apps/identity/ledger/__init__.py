"""The proof of the ledger: an RFC 9162 Merkle tree over its entries and C2SP signed checkpoints."""
