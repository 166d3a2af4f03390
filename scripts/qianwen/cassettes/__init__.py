"""Records the conversation of a run and replays it. May be imported by actions."""
