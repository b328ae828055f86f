"""Settings of the property tests: they are judged by what they find, not by the speed of the machine."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("lang", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lang")
