"""Recording a run's conversation and replaying it. May be imported by actions."""
