"""The stand-in for DashScope. May be imported by actions and scripts/sandbox.py."""
