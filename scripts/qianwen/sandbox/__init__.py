"""The stand-in for DashScope. May be imported by actions, and by scripts/sandbox.py."""
