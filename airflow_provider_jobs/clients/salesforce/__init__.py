"""Salesforce's Bulk API 2.0."""
