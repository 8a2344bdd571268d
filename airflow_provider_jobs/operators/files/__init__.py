"""The files that a task reads and writes, on this machine or in an object store."""
