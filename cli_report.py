"""The command that makes one page of many results."""
