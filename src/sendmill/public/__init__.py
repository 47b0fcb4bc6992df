"""The pages that links in mail lead to, for recipients: to unsubscribe, and to see a message in the browser."""
