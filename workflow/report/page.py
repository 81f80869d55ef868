"""Pages that stand by themselves, from the templates beside this file."""

from __future__ import annotations

from functools import cache
from typing import Any

import jinja2

__all__ = ["render_page"]


def render_page(template: str, **content: Any) -> str:
    """Return a page.

    Parameters
    ----------
    template : str
        Name of a file in ``templates/``.
    **content
        All that it shows; a name that is missing is an error.
    """
    return _environment().get_template(template).render(**content)


@cache
def _environment() -> jinja2.Environment:
    """Return what compiles each template once."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("overdensity.workflow.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
