"""A stand-in for Cronofy's cancel endpoint. cronofy.py says what it does; tests use client.py."""
