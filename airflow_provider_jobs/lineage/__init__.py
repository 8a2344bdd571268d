"""What tasks read and write, as OpenLineage and assets name it; imports neither before it is needed."""
