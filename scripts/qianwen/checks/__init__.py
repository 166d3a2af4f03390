"""A request held against its row: every problem at once. May be imported by actions, desirecore, describe, sandbox."""
