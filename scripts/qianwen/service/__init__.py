"""The conversation with DashScope; the only holder of the key. May be imported by actions and desirecore."""
