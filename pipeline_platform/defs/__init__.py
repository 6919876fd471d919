"""Dagster only: wires the rooms into assets, checks, schedules and sensors. No data logic lives here."""
