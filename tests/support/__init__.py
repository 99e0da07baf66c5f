"""Helpers of the tests: tiny models, clips and servers, made on the spot."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
REPORTED = ROOT / "reported"
FAKE_MERFLOW = Path(__file__).with_name("fake_merflow.py")
