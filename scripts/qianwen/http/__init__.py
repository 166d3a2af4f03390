"""A small HTTP client that knows no DashScope. May be imported by service, storage, desirecore, cassettes, actions."""
