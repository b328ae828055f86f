"""docs/contracts.md says what the contracts declare."""

from __future__ import annotations

from cloudos.sdk import contract_reference
from cloudos.sdk.contract import declaration
from tests.repo.tree import ROOT


def test_the_page_is_the_one_that_the_declarations_give() -> None:
    made = contract_reference.render()
    written = (ROOT / "docs" / "contracts.md").read_text()
    assert written == made, "run: python -m cloudos.sdk.contract_reference > docs/contracts.md"


def test_every_operation_says_what_it_does() -> None:
    silent = [
        f"{contract.__name__}.{one.name}"
        for contract in contract_reference.contracts()
        for one in declaration(contract).operations
        if not (one.function.__doc__ or "").strip()
    ]
    assert silent == []


def test_numbers_of_operations_have_no_gaps() -> None:
    """A gap would be an operation that was taken away: clients of older versions may still call it."""
    for contract in contract_reference.contracts():
        numbers = sorted(one.number for one in declaration(contract).operations)
        assert numbers == list(range(1, len(numbers) + 1)), contract.__name__
