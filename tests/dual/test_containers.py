"""The SDK's containers under scripts long enough to make them grow, shrink and rebuild, three ways."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.dual.comparison import Comparison
from tests.dual.programs import containers

SCRIPTED = (
    containers.list_of_numbers,
    containers.list_of_words,
    containers.stable_sort,
    containers.map_of_numbers,
    containers.map_of_words,
    containers.buffer_and_bytes,
    containers.counter_of_pairs,
)


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    return Comparison(SCRIPTED, tmp_path_factory.mktemp("containers"))


@pytest.mark.parametrize("function", SCRIPTED, ids=lambda function: function.__name__)
def test_long_scripts(comparison: Comparison, function: object) -> None:
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.binary(min_size=20, max_size=160))
    def compare(script: bytes) -> None:
        comparison.check(function, [script])  # type: ignore[arg-type]

    compare()
