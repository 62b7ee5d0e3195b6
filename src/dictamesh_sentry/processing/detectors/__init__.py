"""Patterns in transactions that make them slow for no good reason. Pure."""

from dictamesh_sentry.processing.detectors.occurrence import problem_event
from dictamesh_sentry.processing.detectors.problem import Problem
from dictamesh_sentry.processing.detectors.registry import DETECTORS
from dictamesh_sentry.processing.detectors.run import detect_problems

__all__ = ["DETECTORS", "Problem", "detect_problems", "problem_event"]
