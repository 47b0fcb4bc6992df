"""The dashboard: pages for people. docs/architecture.md has its conventions under "Dashboard"."""
