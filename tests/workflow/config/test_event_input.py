from __future__ import annotations

import pytest
from pydantic import ValidationError

from overdensity.workflow.config.event_input import EventsConfig


def test_one_file_needs_no_list_and_all_else_has_a_default() -> None:
    events = EventsConfig(files="box.h5")
    assert events.files == ("box.h5",)
    assert (events.format, events.layout, events.retries) == ("auto", "auto", 3)


@pytest.mark.parametrize("memory", ["64 MB", "1GiB", 1_000_000])
def test_memory_is_a_size(memory: object) -> None:
    assert EventsConfig.model_validate({"files": "a", "chunk_memory": memory})


@pytest.mark.parametrize("memory", ["much", "0 MB", None])
def test_memory_that_is_no_size_is_refused(memory: object) -> None:
    with pytest.raises(ValidationError, match="memory is a size such as"):
        EventsConfig.model_validate({"files": "a", "chunk_memory": memory})
