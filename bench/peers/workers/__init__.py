"""An engine in each process. Peers' environments run these, so beside their engine they import the standard library."""
