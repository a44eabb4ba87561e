"""Tests of the scorer host; run them with python -m unittest in the folder above."""
