"""The file parts of a multipart request."""

from typing import BinaryIO, cast

from rest_framework import serializers
from rest_framework.request import Request

_NOT_A_FILE = "The submitted data was not a file. Check the encoding type on the form."


def uploaded_file(request: Request, name: str) -> BinaryIO | None:
    """The file part, at its beginning; None if there is none. Raises ValidationError if it came as a plain field."""
    if name in request.FILES:
        return cast(BinaryIO, request.FILES[name].file)
    if name in request.data:
        raise serializers.ValidationError({name: [_NOT_A_FILE]})
    return None
