"""Calls DashScope; only this wing holds the key. May be imported by desirecore, actions, recovery, batch."""
