"""The process that delivers events to webhook endpoints: it reads the log, sends, and writes how far it has come."""
