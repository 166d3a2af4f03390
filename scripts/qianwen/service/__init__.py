"""The calls to DashScope; only this wing holds the key. May be imported by actions and desirecore."""
