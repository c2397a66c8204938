"""The older system's Socket.IO contract (seed contract 2), for its clients unchanged; docs/api.md has the events."""
