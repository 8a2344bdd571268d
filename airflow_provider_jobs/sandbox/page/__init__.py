"""The sandbox's status page: what runs, what was asked, which faults are armed, in a browser."""
