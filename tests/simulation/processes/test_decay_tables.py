from __future__ import annotations

import pytest

from overdensity.core import InputError
from overdensity.simulation import BySettings
from overdensity.simulation.processes.decay_tables import read_decay_tables

TABLE = """
BLOCK QNUMBERS 9900040 # S
  1 0
BLOCK MASS
  9900040 150.0 # GeV
DECAY 9900040 0.01
  0.25 2 11 -11
  0.75 3 13 -13 22
"""


def test_masses_and_branching_ratios_are_read_and_other_blocks_passed_over() -> None:
    tables = read_decay_tables(TABLE)
    assert tables.masses == {9900040: 150.0}
    assert tables.decays == {9900040: {(11, -11): 0.25, (13, -13, 22): 0.75}}
    assert read_decay_tables("").decays == {}


@pytest.mark.parametrize(
    ("line", "instead", "says"),
    [
        ("0.25 2", "0.15 2", "the branching ratios of 9900040 sum to 0.9; they have to sum to 1"),
        ("0.25 2", "0.25 3", "the line '0.25 3 11 -11' cannot be read"),
        ("9900040 150.0", "9900040 heavy", "the line '9900040 heavy # GeV' cannot be read"),
        ("DECAY 9900040 0.01", "DECAY 9900040", "the line 'DECAY 9900040' cannot be read"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(line: str, instead: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        BySettings(slha=TABLE.replace(line, instead))
