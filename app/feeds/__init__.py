"""What goes out to partners and search engines: the change feed, Atom, sitemaps, JSON-LD and boards of companies."""
