"""Continues what an earlier run began: one task, or all that is open. May be imported by batch, cli."""
