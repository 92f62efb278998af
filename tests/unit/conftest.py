"""Settings of hypothesis: a noisy machine must not fail a test for being slow."""

from hypothesis import HealthCheck, settings

settings.register_profile("explorer", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("explorer")
