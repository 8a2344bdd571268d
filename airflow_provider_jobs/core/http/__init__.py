"""Requests and replies: what is sent, how, and what to do when nothing comes."""
