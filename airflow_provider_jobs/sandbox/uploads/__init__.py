"""Files on their way in, for every service of the sandbox.

``resumable`` speaks the server's side of the resumable protocol,
``body`` and ``pouring`` bring a request's body to a file at the speed of the disk, ``multipart`` takes
bodies of several parts apart, ``book`` remembers every upload and its digests, ``control`` shows them.
"""
