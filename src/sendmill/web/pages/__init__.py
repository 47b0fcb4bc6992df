"""The pages' views, one module per section of the dashboard."""
