"""Matching: which queries of saved searches find a posting that was opened or changed."""
