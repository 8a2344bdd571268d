"""Cloud Storage's JSON API, as far as clients ask it for objects: the files below the sandbox's buckets.

``objects`` tells what a file is as an object, and lists them; ``routes`` has the methods.
"""
