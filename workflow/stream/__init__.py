"""A stream of partitions, or of standard input, learned by a flow: sources, bookkeeping, report."""
