"""Cores, memory, files and worker processes of this machine or container."""
