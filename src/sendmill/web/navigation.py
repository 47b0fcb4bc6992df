"""The sections of the dashboard, in the order in which the navigation shows them."""

from typing import NamedTuple

from sendmill.accounts.access import Access


class Section(NamedTuple):
    """One entry: its words, the name of its first page's route, its icon, and who sees it."""

    title: str
    route: str
    icon: str
    access: Access = Access.VIEWER


SECTIONS = (
    Section("Overview", "web:overview", "home"),
    Section("Campaigns", "web:campaigns", "send"),
    Section("Messages", "web:messages", "mail"),
    Section("Contacts", "web:contacts", "users"),
    Section("Opt-outs", "web:optouts", "user-off"),
    Section("Senders", "web:senders", "at"),
    Section("Settings", "web:settings", "settings"),
    Section("Installation", "web:installation", "server-cog", Access.OPERATOR),
)

SETTINGS = (
    Section("General", "web:settings", "building"),
    Section("People", "web:settings-people", "users"),
    Section("API tokens", "web:settings-tokens", "key", Access.OWNER),
    Section("Delivery", "web:settings-delivery", "server"),
    Section("Audit log", "web:settings-audit", "history", Access.OWNER),
)
"""The pages of the settings."""

INSTALLATION = (
    Section("Clients", "web:installation", "building", Access.OPERATOR),
    Section("People", "web:installation-people", "users", Access.OPERATOR),
    Section("Audit log", "web:installation-audit", "history", Access.OPERATOR),
)
"""What operators see of all clients together."""

BELOW = {"/settings/": SETTINGS, "/installation/": INSTALLATION}
"""Sections that have pages of their own, by the beginning of their paths."""
