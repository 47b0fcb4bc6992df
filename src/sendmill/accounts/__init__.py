"""Clients (tenants), their users, and the API tokens that programs use."""
