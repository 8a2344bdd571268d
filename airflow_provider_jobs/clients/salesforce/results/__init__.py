"""Results of Salesforce jobs, from the service to files."""
