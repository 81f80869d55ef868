"""Pages that stand by themselves: sections from a template, in the frame that all pages share."""

from __future__ import annotations

from functools import cache
from typing import Any

import jinja2

__all__ = ["render_page"]


def render_page(sections: str, **content: Any) -> str:
    """Return a page: ``page.html`` around sections.

    Parameters
    ----------
    sections : str
        Name of a file in ``templates/``.
    **content
        All that both show; a name that is missing is an error.
    """
    templates = _environment()
    made = templates.get_template(sections).render(**content)
    return templates.get_template("page.html").render(**content, sections=made)


@cache
def _environment() -> jinja2.Environment:
    """Return what compiles each template once."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("overdensity.workflow.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
