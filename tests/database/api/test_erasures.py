"""`/email/contact/erase/`: what is answered, and whose erasures are seen."""
