"""What begins as somebody types."""
