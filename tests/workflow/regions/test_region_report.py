"""The page of a search in regions stands by itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from overdensity.core import InputError
from overdensity.workflow.regions.region_report import write_region_report


def test_the_page_is_written_anew(
    call: Callable[..., tuple[int, str, str]], region_search: Path
) -> None:
    page = region_search / "run" / "report.html"
    page.unlink()
    assert f"report: {page}" in call("report", region_search / "run")[1]
    text = page.read_text()
    assert text.count("<img") == 6
    assert "Benchmark signals" in text
    assert text.count("closure of region") == 2
    assert "region 4: too few simulated events" in text
    assert "http://" not in text.replace("http://www.w3.org", "")


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no regions\.json there"):
        write_region_report(tmp_path)
