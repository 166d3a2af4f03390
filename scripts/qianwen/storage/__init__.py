"""Uploads, results and the own bucket; never sees the API key. May be imported by desirecore, actions, batch."""
