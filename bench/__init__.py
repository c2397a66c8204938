"""`make bench`: what Wharf costs, beside a bare neonize in the same run, on a local sandbox."""
