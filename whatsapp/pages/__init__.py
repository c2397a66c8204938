"""The manager's pages: server-rendered, over the same services as every other surface, usable without JavaScript."""
