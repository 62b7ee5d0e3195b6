"""From transactions and spans, in every form they arrive in, to rows of one table. Pure."""
