"""The conversation with DashScope."""
