"""`make bench-import`: imports of large files by the command, and searches meanwhile."""
