"""Uploads, results and the own bucket; never sees the API key. May be imported by actions and desirecore."""
