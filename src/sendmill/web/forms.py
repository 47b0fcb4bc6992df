"""What forms have in common."""

from django.forms import BaseForm

from sendmill.errors import InvalidField, InvalidFields


def add_errors(form: BaseForm, error: InvalidField | InvalidFields) -> None:
    """Show an error of the product at the form's field of the same name, or above the form where it has none."""
    for one in error.errors if isinstance(error, InvalidFields) else (error,):
        name = next((part for part in reversed(one.path) if part in form.fields), None)
        reason = one.reason[:1].upper() + one.reason[1:]
        form.add_error(name, reason if name else f"{'.'.join(one.path)}: {one.reason}")
