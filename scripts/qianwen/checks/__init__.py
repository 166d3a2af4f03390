"""Checks a request against its row, all problems at once. May be imported by actions, desirecore, describe, sandbox."""
