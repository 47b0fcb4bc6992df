"""`/api/v1/schema/`: the OpenAPI description. `/api/v1/docs/`: the same to browse, with nothing from elsewhere."""

from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.templatetags.static import static
from django.urls import URLPattern, reverse
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema

from sendmill.api.openapi import COMPONENTS
from sendmill.api.rendering import CONTENT_TYPE, json_bytes

_SWAGGER = "drf_spectacular_sidecar/swagger-ui-dist"

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sendmill API</title>
<link rel="icon" href="{swagger}/favicon-32x32.png">
<link rel="stylesheet" href="{swagger}/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="{swagger}/swagger-ui-bundle.js"></script>
<script src="{script}"></script>
</body>
</html>
"""

# validatorUrl: Swagger UI would otherwise show the description to a server of its makers.
_SCRIPT = """SwaggerUIBundle({{
  url: "{schema}",
  dom_id: "#swagger-ui",
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  deepLinking: true,
  validatorUrl: null,
}});
"""

# Swagger UI styles elements in place and has its icons in data: addresses.
_POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"


class TokenScheme(OpenApiAuthenticationExtension):
    """How a token is sent, for the description."""

    target_class = "sendmill.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {"type": "apiKey", "in": "header", "name": "Authorization", "description": "`Token <40 hex digits>`"}


def schema(request: HttpRequest, routes: tuple[URLPattern, ...]) -> HttpResponse:
    return HttpResponse(_description(routes), content_type=CONTENT_TYPE)


def page(request: HttpRequest) -> HttpResponse:
    text = _PAGE.format(swagger=static(_SWAGGER), script=reverse("documentation-script"))
    return HttpResponse(text, headers={"Content-Security-Policy": _POLICY})


def script(request: HttpRequest) -> HttpResponse:
    text = _SCRIPT.format(schema=reverse("documentation-schema"))
    return HttpResponse(text, content_type="text/javascript; charset=utf-8")


@cache
def _description(routes: tuple[URLPattern, ...]) -> bytes:
    description = SchemaGenerator(patterns=list(routes)).get_schema(request=None, public=True)
    description["components"]["schemas"].update(COMPONENTS)
    return json_bytes(description)
