"""Transactions, spans and traces: what may be asked of them."""
