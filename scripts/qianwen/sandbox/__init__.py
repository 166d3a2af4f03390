"""A local stand-in for DashScope."""
