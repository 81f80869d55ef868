"""Pages from templates: what is missing is an error, what is text is escaped."""

from __future__ import annotations

import jinja2
import pytest

from overdensity.workflow.report.page import render_page


def test_a_name_that_is_missing_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        render_page("regions.html", title="box")
