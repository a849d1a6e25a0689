"""The scenario of docs/testing.md is one that ``replicate-home serve --scenario`` takes."""

from __future__ import annotations

import re
from pathlib import Path

from replicate_home.emulator.faults import FaultPlan

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"


def test_the_scenario_of_the_page_is_a_plan_of_faults(tmp_path: Path):
    (scenario,) = re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    file = tmp_path / "faults.json"
    file.write_text(scenario, encoding="utf-8")
    plan = FaultPlan.from_json(file)
    taken = [plan.take("predictions.create", lambda: "owner/model") is not None for _ in range(4)]
    assert taken == [True, True, True, False]
    assert plan.take("stream", lambda: "local/markov") is not None
    assert plan.take("stream", lambda: "owner/model") is None
