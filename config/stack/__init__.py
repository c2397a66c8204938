"""Wharf in one terminal: embedded PostgreSQL and Valkey, and a runner that keeps all processes up."""
