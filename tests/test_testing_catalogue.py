"""Every known mistake is caught, and named right."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import Phase, find, settings
from mutants import mutant

from tinygrad_bn.testing.calls import Caller
from tinygrad_bn.testing.catalogue import CATALOGUE, Mistake
from tinygrad_bn.testing.judge import Court, cases, choices_of

each_mistake = pytest.mark.parametrize("row", CATALOGUE, ids=lambda row: row.name)


def court_on(row: Mistake) -> Court:
    subject, call = mutant(row), Caller(5, 60)
    with np.errstate(all="ignore"):
        return Court(subject, call, choices_of(subject, call))


@each_mistake
def test_every_mistake_is_caught_within_200_examples(row: Mistake):
    court = court_on(row)
    only_draw = settings(max_examples=200, phases=[Phase.generate], database=None, deadline=None)

    def is_caught(case) -> bool:
        return any(failure.finding.seen == row.seen for failure in court.examine(case))

    find(cases(row.ndim or 2), is_caught, settings=only_draw, random=Random(0))


@each_mistake
def test_every_mistake_is_named_right(row: Mistake):
    assert court_on(row).diagnosis(row.seen) is row


def test_the_catalogue_knows_thirty_mistakes_and_more_each_under_its_own_name():
    assert len({row.name for row in CATALOGUE}) == len(CATALOGUE) >= 30
