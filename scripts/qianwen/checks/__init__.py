"""Checks a request against its row and reports all problems at once. For actions, desirecore, describe, sandbox."""
