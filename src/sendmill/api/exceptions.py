"""Errors of HTTP that REST framework doesn't have.

They stand apart from `errors`, which imports REST framework's views: those in turn import what the settings name, and
that raises these.
"""

from rest_framework.exceptions import APIException

REQUIRED = "This field is required."


class InUse(APIException):
    status_code = 409
    default_code = "conflict"


class TooLarge(APIException):
    status_code = 413
    default_detail = "The request is too large."
    default_code = "too_large"


class LengthRequired(APIException):
    status_code = 411
    default_detail = "A Content-Length is required with this Content-Type."
    default_code = "length_required"


class Incomplete(APIException):
    status_code = 400
    default_detail = "The request ended before its body was complete."
    default_code = "incomplete"


class Unavailable(APIException):
    """The database is busy or away."""

    status_code = 503
    default_detail = "The database can't be reached or is busy. Try again."
    default_code = "unavailable"
    wait = 5


class DiskFull(APIException):
    status_code = 507
    default_detail = "The server has no room to take this upload."
    default_code = "disk_full"
