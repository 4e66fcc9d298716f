"""The sealer: what makes of committed events a tree that nobody can rewrite unseen. Runs in a process of its own."""
