"""The forms to sign in with, and to ask for a new password. Not beside the adapters, which allauth's forms import."""

from typing import Any

from allauth.account.forms import LoginForm
from django import forms
from django.http import HttpRequest

from sendmill.accounts import new_passwords


class SignInForm(LoginForm):  # type: ignore[misc] # allauth ships no type information
    """In our words; the page has its own link for who forgot the password."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["remember"].label = "Stay signed in"
        self.fields["password"].help_text = ""
        for name in ("login", "password"):
            self.fields[name].widget.attrs.pop("placeholder", None)


class NewPasswordForm(forms.Form):
    """In place of allauth's, which looks the address up and sends mail before the answer."""

    email = forms.EmailField(widget=forms.EmailInput(attrs={"autocomplete": "username"}))

    def save(self, request: HttpRequest) -> None:
        """Called by allauth's view, which limits how often."""
        new_passwords.ask(self.cleaned_data["email"])
