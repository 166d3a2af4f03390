"""Local files, places of results, and locks. May be imported by every wing but plain, terminal, http, service."""
