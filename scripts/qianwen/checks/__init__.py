"""Checks a request against its row. May be imported by sandbox, command, describe, desirecore, actions, batch."""
